/** A program of this machine that writes DNS answers, by the interface that it was written for. */

/** What every program has. */
interface AnyProgram {
  /** What it is called in messages; they name no path, since they go to the bus. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
  /** Environment variables beside `PATH`, `HOME` and `TMPDIR`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Texts that no message may have, even where the program prints them: secrets in `env`. */
  readonly secrets?: readonly string[] | undefined;
  /** How long one run may take, in ms. Default 120,000. */
  readonly timeoutMs?: number | undefined;
  /** Whether runs for one zone come one after another, in this process. Default false. */
  readonly isSequential?: boolean | undefined;
}

/**
 * A program by the interface that it was written for:
 *
 * - `json`: a request on standard input;
 * - `lego`: `present|cleanup FQDN VALUE` (go-acme.github.io/lego/dns/exec);
 * - `lego-raw`: `present|cleanup -- DOMAIN TOKEN KEYAUTH`, lego's RAW mode;
 * - `certbot`: an auth hook, and a clean-up hook, with `CERTBOT_…` variables (certbot's user guide, "Pre and Post Validation Hooks");
 * - `acme.sh`: the user's acme.sh, and one file of its dnsapi.
 */
export type Program =
  | (AnyProgram & {
      readonly preset: 'json' | 'lego' | 'lego-raw';
      /** Arguments before those of the preset. */
      readonly args?: readonly string[] | undefined;
    })
  | (AnyProgram & {
      readonly preset: 'certbot';
      readonly args?: readonly string[] | undefined;
      /** Absolute path of the clean-up hook, which gets `args` too; where absent, values stay. */
      readonly cleanup?: string | undefined;
      /** Folder, for this user alone, in which the output of auth hooks is kept for clean-up hooks. */
      readonly outputs: string;
    })
  | (AnyProgram & {
      readonly preset: 'acme.sh';
      /** Absolute path of a file such as `dns_cf.sh`, which defines `dns_cf_add` and `dns_cf_rm`. */
      readonly dnsapi: string;
    });
