/** Entry: PKCS#12 files of certificates with their keys. Needs the packages `pkijs` and `asn1js`. */
export { encodePkcs12, isPkcs12Password, type Pkcs12Content } from './pkcs12/encode-pkcs12.ts';
