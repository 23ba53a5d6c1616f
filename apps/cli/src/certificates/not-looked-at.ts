/** Says which certificates no command that revokes looks at, though a thief can have their keys. */

/** Where people are told of certificates with a stolen key, or revoke them. */
export const NOT_LOOKED_AT =
  'not looked at: leaves older than the last three before the current one, and those of removed certificates; "certbus bus log --type CertificateObtained --type CertificateImported" shows all, with serialNumber and notAfter';
