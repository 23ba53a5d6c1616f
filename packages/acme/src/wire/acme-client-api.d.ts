/** The resource layer of acme-client 5.4.0, which its own types leave out. It hands on what its HTTP client answers. */
declare module 'acme-client/src/api.js' {
  interface Http<Answer> {
    getResourceUrl(resource: string): Promise<string>;
    getMetaField(field: string): Promise<unknown>;
    signedRequest(
      url: string,
      payload: unknown,
      signing: { kid: string | null; includeExternalAccountBinding: boolean },
    ): Promise<Answer>;
  }
  export default class AcmeApi<Answer> {
    constructor(http: Http<Answer>, accountUrl: string | null);
    accountUrl: string | null;
    createAccount(request: object): Promise<Answer>;
    updateAccount(request: object): Promise<Answer>;
    updateAccountKey(request: object): Promise<Answer>;
    createOrder(request: object): Promise<Answer>;
    getOrder(url: string): Promise<Answer>;
    finalizeOrder(url: string, request: { csr: string }): Promise<Answer>;
    completeChallenge(url: string, request: object): Promise<Answer>;
    revokeCert(request: object): Promise<Answer>;
  }
}
