import type { Action } from '../../core/action.ts';
import type { ActionId, Digest, Json, JsonObject, SessionId, TimeMs } from '../../core/brand.ts';
import type { Payload } from '../../core/data/payload.ts';
import type { Effect, EffectObject } from '../../core/effect.ts';
import type { HttpRequest, RefUpdate } from '../../core/http.ts';
import type { Hasher } from '../../core/ports.ts';
import type { HttpDeed, VerbSource } from '../../core/semantic/http-knowledge.ts';
import type { Knowledge } from '../../core/semantic/knowledge.ts';
import { fixedObject, objectOf } from '../../core/semantic/objects.ts';
import type { Place } from '../../core/semantic/paths.ts';
import { verbOf } from '../../core/semantic/verbs.ts';
import { effectOn } from '../file-action.ts';
import { actionDigest } from '../shell-action.ts';
import { type Recognized, recognize, verbDeed, verbWords } from './families.ts';
import { isNoObject } from './git-pack.ts';
import { embeddedIpv4, isAddress, isNear, isPrivate } from './host.ts';
import { methodOf, overrideOf } from './request.ts';
import { isSecretName, shown, shownHeaders, shownUrl } from './shown.ts';

/** One request that is about to leave, with what it carries; as a `request` question of the proxy says it. */
export interface HttpSubmission {
  readonly id: ActionId;
  readonly sessionId: SessionId;
  readonly at: TimeMs;
  /** `cwd` is null: a request has none. */
  readonly place: Place;
  readonly request: HttpRequest;
  readonly payload: Payload;
  /** The address that the host resolves to, where the proxy knows it already. */
  readonly address: string | null;
  readonly modifiedFrom: Digest | null;
}

/** Builds the Action of one HTTP request (AARM R1, R3.k, R5.a): tool `http`, effects in the words of commands' effects. Pure. */
export function buildHttpAction(submission: HttpSubmission, knowledge: Knowledge, hasher: Hasher): Action {
  const { request, payload } = submission;
  const scene = sceneOf(submission, knowledge);
  const effects = effectsOf(scene);
  const parameters = parametersOf(request, scene.recognized, hasher);
  const tool = 'http';
  const operation = scene.recognized.call?.operation ?? methodOf(request).toLowerCase();
  return {
    id: submission.id,
    sessionId: submission.sessionId,
    at: submission.at,
    surface: 'http',
    tool,
    operation,
    parameters,
    cwd: null,
    commands: [],
    effects,
    gaps: [],
    digest: actionDigest({ tool, operation, parameters, cwd: null }, hasher),
    modifiedFrom: submission.modifiedFrom,
    dependsOn: [],
    partsFollow: false,
    carries: payload,
  };
}

/** What was intercepted, for policy and for people; no credential's value is in it, and the body by its digest. */
function parametersOf(request: HttpRequest, { family }: Recognized, hasher: Hasher): JsonObject {
  const { target, body, oddities } = request;
  const view = shown(body);
  const digest = request.bodyDigest ?? (body.kind === 'none' ? null : hasher.sha256(JSON.stringify(body)));
  const parameters: Record<string, Json> = {
    url: shownUrl(target),
    method: request.method,
    host: target.host,
    port: target.port,
    protocol: request.protocol,
    headers: shownHeaders(request.headers),
    content_type: request.contentType,
    body: view,
    body_digest: body.kind === 'none' ? null : digest,
    length: request.length,
    inspected: request.inspected,
  };
  if (oddities.length > 0) parameters.oddities = oddities;
  if (family !== null) parameters.service = family.name;
  return parameters;
}

interface Scene {
  readonly submission: HttpSubmission;
  readonly knowledge: Knowledge;
  readonly recognized: Recognized;
  /** The URL as an object, labelled. */
  readonly url: EffectObject;
  /** Said of every effect. */
  readonly tags: readonly string[];
}

function sceneOf(submission: HttpSubmission, knowledge: Knowledge): Scene {
  const { request, place } = submission;
  const recognized = recognize(request, knowledge);
  const text = shownUrl(request.target);
  const word = { text, raw: text, known: true, glob: false };
  const labels = recognized.family?.labels ?? [];
  const url = objectOf(word, 'url', labels, 'here', place, knowledge);
  const inner = innerLabels(submission, knowledge);
  const all = [...new Set([...url.labels, ...inner])];
  return {
    submission,
    knowledge,
    recognized,
    url: { ...url, labels: all },
    tags: [...tagsOf(submission, all), ...(isUnread(request, recognized) ? ['unread-call'] : [])],
  };
}

/** Labels of an IPv4 address that an IPv6 one leads to: `64:ff9b::a9fe:a9fe` is the metadata service behind NAT64. */
function innerLabels({ request, place }: HttpSubmission, knowledge: Knowledge): readonly string[] {
  const inner = embeddedIpv4(request.target.host);
  if (inner === null) return [];
  const word = { text: inner.address, raw: inner.address, known: true, glob: false };
  return objectOf(word, 'host', [], 'here', place, knowledge).labels;
}

/** Oddities that say that a host is not what it looks like; the others stand among the parameters. */
const TRICKS = ['userinfo', 'odd-address', 'encoded-host', 'homograph', 'host-mismatch', 'port-mismatch'];
const CREDENTIAL_HEADERS = new Set(['authorization', 'cookie', 'proxy-authorization']);

function tagsOf({ request, address }: HttpSubmission, labels: readonly string[]): readonly string[] {
  const tags = ['by-http'];
  for (const oddity of request.oddities) if (TRICKS.includes(oddity)) tags.push(oddity);
  if (request.oddities.includes('duplicate-key')) tags.push('ambiguous-body');
  const override = overrideOf(request);
  if (override !== null && override !== request.method.toUpperCase()) tags.push('method-override');
  if (request.inspected === 'part') tags.push('unseen-part');
  const { scheme, host } = request.target;
  if (address !== null && !isAddress(host) && isNear(address) && labels.includes('internet'))
    tags.push(isPrivate(address) ? 'resolves-private' : 'resolves-near');
  if ((scheme === 'http' || scheme === 'ws') && carriesCredential(request)) tags.push('credential-in-clear');
  return tags;
}

/**
 * True for a call of a known service whose deed stands in the body, where that was not read: GraphQL that is none, or a text of fields of
 * which a part was not looked at.
 */
function isUnread(request: HttpRequest, { family, call }: Recognized): boolean {
  if (call?.verb?.kind === 'graphql' && request.body.kind !== 'graphql' && methodOf(request) === 'POST')
    return true;
  if (family === null || request.inspected !== 'part' || methodOf(request) !== 'POST') return false;
  return (
    call?.verb?.kind === 'graphql' ||
    /[/+]json\b|x-www-form-urlencoded|graphql|xml\b|amz-json/.test(request.contentType ?? '')
  );
}

function carriesCredential({ headers, target }: HttpRequest): boolean {
  return (
    headers.some(([name]) => CREDENTIAL_HEADERS.has(name) || (name.startsWith('x-') && isSecretName(name))) ||
    target.query.some(([name, value]) => value !== '' && isSecretName(name) && name.length > 3)
  );
}

function effectsOf(scene: Scene): readonly Effect[] {
  const { call } = scene.recognized;
  const { request } = scene.submission;
  if (request.protocol === 'websocket') return [say(scene, plain('connect'), ['websocket'])];
  if (call === null) return byMethod(scene);
  if (call.analysis === 'git-push') return pushEffects(scene);
  const effects = call.does.map((deed) => say(scene, deed));
  if (call.verb === null) return effects.length > 0 ? effects : byMethod(scene);
  return [...effects, ...verbEffects(scene, call.verb, call.mild)];
}

/** What the words of a call say, each kind of effect once; without a word, an upload. */
function verbEffects(scene: Scene, source: VerbSource, mild: RegExp | null): readonly Effect[] {
  const effects = new Map<string, Effect>();
  for (const word of verbWords(source, scene.submission.request)) {
    const deed = mild?.test(word) === true ? plain('upload') : verbDeed(word, scene.knowledge);
    const key = `${deed.effect} ${deed.tags.join()}`;
    if (!effects.has(key)) effects.set(key, say(scene, deed));
  }
  // What is asked is sent all the same.
  const kinds = [...effects.values()].map((effect) => effect.kind);
  const asks = kinds.every((kind) => kind === 'download') && scene.submission.request.body.kind !== 'none';
  return asks ? [...effects.values(), say(scene, plain('upload'))] : [...effects.values()];
}

/** What the method alone says; a last word of the path that deletes (`POST /users/7/delete`) counts as it does for `curl`. */
function byMethod(scene: Scene): readonly Effect[] {
  const { request } = scene.submission;
  if (request.body.kind === 'graphql' && !onlyReads(request))
    return verbEffects(scene, { kind: 'graphql' }, null);
  const carriesBody = request.body.kind !== 'none' || request.inspected === 'part';
  switch (methodOf(request)) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PROPFIND':
    case 'REPORT':
    case 'SEARCH':
    case 'QUERY': {
      const read = say(scene, plain('download'));
      return carriesBody ? [read, say(scene, plain('upload'))] : [read];
    }
    case 'DELETE':
      return [say(scene, { ...plain('delete'), tags: ['destructive'], reversible: 'no' })];
    default: {
      if (onlyReads(request)) return [say(scene, plain('download')), say(scene, plain('upload'))];
      const { path } = request.target;
      const last = path.replace(/\/+$/, '');
      const verb = verbOf(last.slice(last.lastIndexOf('/') + 1), scene.knowledge);
      const upload = say(scene, plain('upload'));
      if (verb === null || !verb.tags.includes('destructive')) return [upload];
      return [say(scene, { ...plain(verb.effect), tags: verb.tags }), upload];
    }
  }
}

/** GraphQL queries are asked by POST as well; a persisted one may be anything. */
function onlyReads({ body }: HttpRequest): boolean {
  return body.kind === 'graphql' && body.operations.every((one) => one.type === 'query');
}

function plain(effect: Effect['kind']): HttpDeed {
  return {
    effect,
    object: 'url',
    value: null,
    labels: [],
    tags: [],
    recursive: false,
    force: false,
    many: false,
    reversible: 'unknown',
  };
}

function say(scene: Scene, deed: HttpDeed, more: readonly string[] = []): Effect {
  const labels =
    deed.labels.length > 0 ? [...new Set([...scene.url.labels, ...deed.labels])] : scene.url.labels;
  const object: EffectObject =
    deed.value === null && deed.object === 'url'
      ? { ...scene.url, labels, many: deed.many }
      : namedObject(scene, deed, labels);
  return {
    ...effectOn(deed.effect, object, [...scene.tags, ...deed.tags, ...more], deed.reversible),
    recursive: deed.recursive,
    force: deed.force,
  };
}

function namedObject(scene: Scene, deed: HttpDeed, labels: readonly string[]): EffectObject {
  const text = (deed.value ?? scene.url.value).replace(
    /\{([a-z]+)\}/g,
    (_whole, name: string) => scene.recognized.captures.get(name) ?? '',
  );
  const word = { text, raw: text, known: true, glob: false };
  // A package's scope (`@scope/name`) is no folder.
  const own = objectOf(word, deed.object, [], 'here', scene.submission.place, scene.knowledge).labels.filter(
    (label) => label !== 'local-package',
  );
  return {
    kind: deed.object,
    value: text,
    known: true,
    many: deed.many,
    labels: [...new Set([...labels, ...own])],
  };
}

/** What a push does to others, from its list of refs; the words are those of `git push` (core/semantic/git-analysis.ts). */
function pushEffects(scene: Scene): readonly Effect[] {
  const { body, target } = scene.submission.request;
  const { scheme, host, port } = target;
  const usual = (scheme === 'https' && port === 443) || (scheme === 'http' && port === 80);
  const place = host.includes(':') ? `[${host}]` : host;
  const name = `${scheme}://${place}${usual ? '' : `:${port}`}${target.path.replace(/\/git-receive-pack$/, '')}`;
  const repository = fixedObject('repository', name, ['shared', ...scene.url.labels]);
  const upload = say(scene, { ...plain('upload'), tags: ['source-out'] });
  // A push whose list cannot be read may rewrite anything.
  if (body.kind !== 'git')
    return [effectOn('publish', repository, [...scene.tags, 'history-rewrite'], 'unknown'), upload];
  const updates = body.updates.map((update) => updateEffect(scene, update));
  return updates.length === 0 ? [say(scene, plain('download'))] : [...updates, upload];
}

function updateEffect(scene: Scene, update: RefUpdate): Effect {
  const text = update.ref.replace(/^refs\/heads\//, '');
  const word = { text, raw: update.ref, known: true, glob: false };
  const object = objectOf(word, 'ref', ['shared'], 'here', scene.submission.place, scene.knowledge);
  if (isNoObject(update.after)) return effectOn('delete', object, [...scene.tags, 'ref-delete'], 'unknown');
  // Whether it throws commits away cannot be seen from the names alone.
  const replaces = isNoObject(update.before) ? [] : ['force-unknown'];
  return effectOn('publish', object, [...scene.tags, ...replaces], 'unknown');
}
