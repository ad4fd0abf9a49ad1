import type { Payload } from '../core/data/payload.ts';
import type { UntrustedSignal } from '../core/data/untrusted.ts';
import type { HttpRequest } from '../core/http.ts';

/**
 * What daemon and proxy say to each other (docs/proxy-protocol.md), over the channel that a parent has with its child. The proxy
 * parses hostile bytes: what it says is checked by `parseProxyMessage` (wire/proxy.ts) like anybody's.
 */

/** Where a connection that is about to arrive at the proxy leads. Single use for `guard`; for `explicit` it lasts as long as its session. */
export interface Route {
  /** 32 bytes, base64url. First line of a guard's connection, password of an explicit proxy's user. */
  readonly token: string;
  readonly session: string;
  /** The running action it was made under, as the guard says; null for the agent itself. */
  readonly scope: string | null;
  readonly kind: 'guard' | 'explicit';
  /** What the guard was asked to connect to; null for `explicit`, where each request says. */
  readonly host: string | null;
  readonly port: number | null;
  /** Set where the guard's kernel says that the remote shell of this machine makes the connection; told again in the question of a stream. */
  readonly by?: 'ssh';
  /** Milliseconds since the epoch after which an unused one is forgotten. */
  readonly expiresAt: number;
}

/** A host whose TLS is passed on unopened, by policy: `*.example.org` or exact. */
export interface PassThrough {
  readonly host: string;
  readonly port: number | null;
}

export interface ProxySettings {
  /** Where to listen on loopback: the port that the proxy before this one had, so that what points there finds it. Null, or taken: any. */
  readonly port?: number | null;
  readonly caCertificatePem: string;
  readonly caKeyPem: string;
  /** Further roots that upstream certificates are checked against, beside the system's; PEM. */
  readonly extraRoots: readonly string[];
  readonly passThrough: readonly PassThrough[];
  /** Bytes of a body that are looked at before a decision, and up to which it is held when it is longer. */
  readonly windowBytes: number;
  readonly holdBytes: number;
  /** Key of the fingerprints (core/data/fingerprint.ts), 16 bytes. */
  readonly fingerprintKey: Uint8Array;
  /** Databases whose wire protocol is understood: `host:port` with the credential's name and the database's real place. */
  readonly databases: readonly DatabaseRoute[];
}

export interface DatabaseRoute {
  readonly credential: string;
  readonly host: string;
  readonly port: number;
}

/** What a statement for a database does, from its parsed form; one for each statement of a message. */
export interface StatementView {
  /** `select`, `insert`, `create table`, `copy from program` … lower case. */
  readonly verb: string;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Rows of the table `resources/knowledge`'s words for effects: `destructive`, `no-where`, `from-database` … */
  readonly tags: readonly string[];
  /** The rights that running it takes, and no others: what a minter grants (AARM R9.b). */
  readonly needs?: readonly TableNeed[];
  /** Functions that it calls, as written. */
  readonly calls?: readonly string[];
}

/** One right on one table or sequence, named as `to_regclass` reads names: quoted where it must be. */
export interface TableNeed {
  readonly table: string;
  readonly privilege: 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'USAGE' | 'CREATE' | 'OWNER';
}

/** One thing that is about to leave, as the proxy understood it. */
export type ProxyQuestion =
  | {
      readonly kind: 'request';
      readonly request: HttpRequest;
      readonly payload: Payload;
      readonly address: string | null;
      readonly hop: number;
    }
  | {
      readonly kind: 'statement';
      readonly credential: string;
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      /** As sent; parameters of a prepared statement are in `payload` only. */
      readonly text: string;
      readonly statements: readonly StatementView[];
      readonly payload: Payload;
      /** SHA-256 over the parameters of a prepared statement, hex; null when there are none. */
      readonly values?: string | null;
      /** The minted user whose connection this runs on (a transaction, or a session with state); null: on one of its own. */
      readonly continues?: string | null;
      /** That connection is inside an open transaction. */
      readonly transaction?: boolean;
      /** `search_path` that the client set; null: the database's own. */
      readonly searchPath?: string | null;
    }
  | {
      /** Bytes of a protocol that is not understood, or a TLS connection passed on unopened. */
      readonly kind: 'stream';
      readonly host: string;
      readonly port: number;
      readonly protocol: string;
      /** As the route says it. */
      readonly by?: 'ssh';
      readonly payload: Payload;
    }
  | {
      /** A signature asked of the SSH agent. What is here was read out of `data` and `bind`, and is read out of them again by who signs. */
      readonly kind: 'sign';
      readonly credential: string;
      /** Host whose key the client showed: the entry of the credential's `limits.hosts` that it belongs to. */
      readonly host: string;
      readonly user: string;
      /** Public key that is to sign: base64 of its blob. */
      readonly key: string;
      /** What would be signed, base64: the request of RFC 4252, section 7. */
      readonly data: string;
      /** Of the agent's protocol: 2 and 4 ask an RSA key for SHA-256 or SHA-512. */
      readonly flags: number;
      /** What the client showed of the host that it talks to (`session-bind@openssh.com`), base64. */
      readonly bind: { readonly hostKey: string; readonly sessionId: string; readonly signature: string };
    };

export type ProxyMessage =
  | { readonly kind: 'ready'; readonly port: number }
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly session: string;
      readonly scope: string | null;
      readonly question: ProxyQuestion;
      /** Placeholders that stand in the question, verbatim, with where: `header:authorization`, `query:key`, `body`, `password`. */
      readonly placeholders: readonly { readonly value: string; readonly where: string }[];
    }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'outcome'; readonly action: string; readonly outcome: ProxyOutcome }
  /** A connection or request that never became a question: malformed, smuggled, unknown token, bad certificate upstream. */
  | {
      readonly kind: 'refused';
      readonly session: string | null;
      readonly code: string;
      readonly reason: string;
      readonly host: string | null;
    };

/** What became of something that was let through. */
export interface ProxyOutcome {
  readonly result: 'succeeded' | 'failed' | 'unknown';
  /** HTTP status, SQLSTATE, or null. */
  readonly status: string | null;
  readonly error: string | null;
  readonly sent: number;
  readonly received: number;
  /** SHA-256 of what came back, hex; null when it was cut or not read. */
  readonly digest: string | null;
  readonly contentType: string | null;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What came back, as far as it was looked at: its findings and fingerprints, and the signals of untrusted content. */
  readonly payload: Payload | null;
  readonly signals: readonly UntrustedSignal[];
  /** Minted credentials that were really sent, by id. */
  readonly used: readonly string[];
}

export type { UntrustedSignal } from '../core/data/untrusted.ts';

/** What a swap puts in place of a placeholder, for this one action. */
export interface Swap {
  readonly minted: string;
  readonly placeholder: string;
  readonly secret: string;
  /** What to do with it: `replace` it where it stands; `sigv4` signs the request anew; `postgres` opens the upstream connection with it; `ssh`: it is the signature itself (base64 of its blob), over the question's `data` alone. */
  readonly use:
    | { readonly kind: 'replace' }
    | {
        readonly kind: 'sigv4';
        readonly accessKeyId: string;
        readonly sessionToken: string | null;
        readonly region: string;
        readonly service: string;
      }
    | { readonly kind: 'postgres'; readonly user: string; readonly database: string }
    | { readonly kind: 'ssh' };
  readonly expiresAt: number;
}

/** One key that a session may ask to sign with. The private half is nowhere near the proxy. */
export interface SshAgentKey {
  readonly credential: string;
  /** Base64 of the public key's blob, as in `authorized_keys`. */
  readonly publicKey: string;
  readonly comment: string;
  /** Lines of a `known_hosts` file; hashed names and markers included. */
  readonly knownHosts: string;
  /** Hosts that it may be used for: `limits.hosts` of its record. */
  readonly hosts: readonly string[];
}

export type DaemonToProxy =
  | { readonly kind: 'settings'; readonly settings: ProxySettings }
  | { readonly kind: 'route'; readonly route: Route }
  | { readonly kind: 'forget'; readonly session: string }
  /** The SSH agent of a session: where its socket is made, and the keys that it lists; replaces those it had. Gone after `forget`. */
  | {
      readonly kind: 'ssh-agent';
      readonly session: string;
      /** Absolute path in the session's own folder; short enough for a socket (103 bytes). */
      readonly socket: string;
      readonly keys: readonly SshAgentKey[];
    }
  /** Placeholders of a session, so that the proxy finds them wherever they stand; replaces those it had. */
  | { readonly kind: 'placeholders'; readonly session: string; readonly values: readonly string[] }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly result: 'ALLOW' | 'DENY';
      /** For people and models: what happened, why, what to do next. */
      readonly message: string;
      readonly action: string | null;
      readonly rule: string | null;
      readonly receipt: string | null;
      /** Whether an `outcome` is owed. */
      readonly reportEnd: boolean;
      readonly swaps: readonly Swap[];
    }
  | { readonly kind: 'waiting'; readonly id: number; readonly message: string; readonly leftMs: number };
