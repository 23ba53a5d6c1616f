/** The resource layer of acme-client 5.4.0, which its own types leave out. It takes its HTTP client as an argument. */
declare module 'acme-client/src/api.js' {
  import type { SeamHttp, SeamResponse } from './adapters/transport.ts';

  interface AcmeApi {
    accountUrl: string | null;
    createAccount(request: object): Promise<SeamResponse>;
    createOrder(request: object): Promise<SeamResponse>;
    getOrder(url: string): Promise<SeamResponse>;
    finalizeOrder(url: string, request: { csr: string }): Promise<SeamResponse>;
    completeChallenge(url: string, request: object): Promise<SeamResponse>;
  }
  const AcmeApi: new (http: SeamHttp, accountUrl: string | null) => AcmeApi;
  export default AcmeApi;
}
