import type { JsonObject, TimeMs } from '../brand.ts';
import { LEVELS, type Level } from '../context.ts';
import { higherLevel } from './classification.ts';
import { type DestinationRow, destinationOf } from './destination.ts';
import type { Flow } from './flow.ts';
import type { Payload } from './payload.ts';

/** One place that an action would send to. */
export interface SendPlace {
  /** As in `HttpTarget.host`. */
  readonly host: string;
  readonly port: number | null;
  /** Of resources/knowledge/hosts.yaml. */
  readonly labels: readonly string[];
  /** Nothing was ever sent there before; null when that is not known. */
  readonly firstSeen: boolean | null;
}

export interface CarriedInput {
  /** Null when the action sends nothing. */
  readonly payload: Payload | null;
  readonly flows: readonly Flow[];
  readonly destinations: readonly DestinationRow[];
  /** Where it goes; empty when that is not known or nowhere. */
  readonly places: readonly SendPlace[];
  readonly now: TimeMs;
  /** Something in it has not been looked at yet: that there are no flows is then not known. */
  readonly late?: boolean;
  /** Where it goes is not known here, but it is met again where it is (the proxy of a guarded session): what the place accepts is said then. */
  readonly metAgain?: boolean;
}

/** Short-lived and bound to the service that gave it: a session's own, which goes back with each request. */
const OWN_SECRETS = new Set(['json-web-token']);

/** Of what sends nothing: not applicable, which is not the same as not known. */
const NOWHERE: JsonObject = {
  host: null,
  port: null,
  category: null,
  first_seen: false,
  accepts: null,
  labels: [],
};

/** The level that findings alone give a payload: a secret RESTRICTED, something about people CONFIDENTIAL. */
export function payloadLevel({ findings }: Payload): Level {
  return findings.reduce<Level>(
    (level, { kind, detector }) =>
      higherLevel(level, kind === 'secret' && !OWN_SECRETS.has(detector) ? 'RESTRICTED' : 'CONFIDENTIAL'),
    'PUBLIC',
  );
}

/** What a place accepts: what its row says, else nothing but public text. */
function accepted(
  input: CarriedInput,
  place: SendPlace,
): { readonly row: DestinationRow | null; readonly accepts: Level } {
  const row = destinationOf(input.destinations, place.host, place.port);
  return { row, accepts: row?.accepts ?? 'PUBLIC' };
}

/**
 * The facts `data` and `destination` of what an action carries (docs/policy-format.md; AARM R2.b, R3): where its text was read, the highest level that the
 * destination does not accept, and who that is. Of several places the one that accepts least speaks. What a host gave may go back to it.
 */
export function carriedFacts(input: CarriedInput): {
  readonly data: JsonObject;
  readonly destination: JsonObject;
} {
  const { payload, places, now } = input;
  const judged = places.map((place) => ({ place, ...accepted(input, place) }));
  const strictest = judged.reduce<(typeof judged)[number] | null>(
    (a, b) => (a === null || LEVELS.indexOf(b.accepts) < LEVELS.indexOf(a.accepts) ? b : a),
    null,
  );
  const home =
    places.length > 0 && places.every(({ host }) => host === places[0]?.host)
      ? `host:${places[0]?.host}`
      : null;
  const flows = input.flows.filter(({ source }) => source.name !== home);
  const accepts = strictest?.accepts ?? 'PUBLIC';
  const refused = flows.filter(({ source }) => LEVELS.indexOf(source.level) > LEVELS.indexOf(accepts));
  const level = refused.reduce<Level | null>(
    (a, { source }) => (a === null ? source.level : higherLevel(a, source.level)),
    null,
  );
  const known = input.late !== true || refused.length > 0;
  const judgedLater = input.metAgain === true && places.length === 0;
  return {
    data: {
      ...(payload === null
        ? { payload: null }
        : {
            payload: {
              level: payloadLevel(payload),
              kinds: [...new Set(payload.findings.map(({ detector }) => detector))],
              bytes: payload.bytes,
              inspected: payload.inspected,
            },
          }),
      ...(known
        ? {
            flows: flows.map(({ source, matches }) => ({
              source: source.name,
              level: source.level,
              because: source.because,
              age_ms: Math.max(0, now - source.at),
              matches,
            })),
            flow_level: judgedLater ? null : level,
            flow_matches: refused.reduce(
              (sum, { source, matches }) => sum + (source.level === level ? matches : 0),
              0,
            ),
          }
        : {}),
    },
    destination:
      strictest === null
        ? payload === null
          ? NOWHERE
          : {}
        : {
            host: strictest.place.host,
            port: strictest.place.port,
            category: strictest.row?.category ?? null,
            ...(strictest.place.firstSeen === null ? {} : { first_seen: strictest.place.firstSeen }),
            accepts,
            labels: strictest.place.labels,
          },
  };
}
