import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Action } from '../core/action.ts';
import type { CommandPattern } from '../core/approval.ts';
import type { JsonObject } from '../core/brand.ts';
import { classifyRead } from '../core/data/classification.ts';
import type { FlowStore } from '../core/data/flow.ts';
import { redactText } from '../core/data/redact.ts';
import { marksOf, scanPayload } from '../core/data/scan.ts';
import type { Decision } from '../core/decision.ts';
import type { Effect } from '../core/effect.ts';
import { evaluate } from '../core/policy/evaluate.ts';
import { objectPatternFor, patternFor } from '../core/policy/grant.ts';
import type { PolicySet } from '../core/policy/rule.ts';
import { transformNames } from '../core/policy/transform.ts';
import { advanceSummary, appendEntry, emptySummary } from '../core/receipt/context-chain.ts';
import { err, ok, type Result, unreachable } from '../core/result.ts';
import { steadyClock } from '../edge/clock.ts';
import { readCommonText } from '../edge/common-text.ts';
import { openDataKeys } from '../edge/data-key.ts';
import { nodeVerifier } from '../edge/ed25519.ts';
import { readEnvironment } from '../edge/environment.ts';
import { extraRoots } from '../edge/extra-roots.ts';
import { openFingerprintStore } from '../edge/fingerprint-store.ts';
import { nodeHasher } from '../edge/hasher.ts';
import { fileHeadStore, keychainHeadStore } from '../edge/head-store.ts';
import { inflate } from '../edge/inflate.ts';
import { openKeys } from '../edge/keys.ts';
import { loadKnowledge } from '../edge/knowledge-dir.ts';
import { openLedger } from '../edge/ledger.ts';
import { recordedTime } from '../edge/ledger-file.ts';
import { openDoor } from '../edge/line-socket.ts';
import { openMcpPins } from '../edge/mcp-pins.ts';
import { type PolicyStatus, watchPolicy } from '../edge/policy-dir.ts';
import { environmentNames, isSealed, readProcess } from '../edge/process-tree.ts';
import { readScriptText } from '../edge/program-path.ts';
import { systemRandom } from '../edge/random.ts';
import { createReadScanner } from '../edge/read-scan.ts';
import { scanRead } from '../edge/read-scan-text.ts';
import { resourcesDirectory } from '../edge/resources.ts';
import { homeTrash, trashPlace } from '../edge/trash-place.ts';
import { writeCopy } from '../edge/write-copy.ts';
import type { DaemonStatus } from '../wire/control.ts';
import { NONCE_BYTES } from '../wire/guard-frame.ts';
import type { Places } from '../wire/places.ts';
import { createApprovalService } from './approval-service.ts';
import { calmFor } from './calm.ts';
import { createCarried, factsOf } from './carried.ts';
import { serveControl } from './control-door.ts';
import { createControlHandler } from './control-requests.ts';
import { openCredentials } from './credential-wiring.ts';
import { createDeferralService } from './deferral-service.ts';
import { normalizeFileShim } from './file-shim-normalize.ts';
import { createGate, GATE_LIMITS, GUARD_GATE_LIMITS } from './gate.ts';
import { createGuardRegistry, type GuardDoorPorts, serveGuard } from './guard-door.ts';
import { normalizeGuarded, startTexts } from './guard-normalize.ts';
import { lateWritesFor, tableMaker } from './guard-wiring.ts';
import { programFor, signalName } from './guard-world.ts';
import { createMcpKeeper } from './mcp-keeper.ts';
import { type ArmedPolicy, DEFAULT_LIMITS, type MediationLimits, type MediationPorts } from './mediation.ts';
import { agentSocketOf } from './mint-ssh.ts';
import { mandateText, normalizeEnvelope, shimmedPrograms } from './normalize.ts';
import { presenceOf } from './presence.ts';
import { normalizeProxied } from './proxy-normalize.ts';
import { ROOT_VARIABLES, type RunningProxy, startProxy } from './proxy-wiring.ts';
import { createReading } from './reading.ts';
import { createRedactor, type Redactor, redactedApprovals, redactedLedger } from './redaction.ts';
import { createRefusalRecorder } from './refusals.ts';
import { createReturns } from './returns.ts';
import { createScheduler, SCHEDULER_LIMITS } from './scheduler.ts';
import { closeSession, type Household } from './session-opening.ts';
import { createSessionStore, type Session } from './session-store.ts';
import { classifyRowsFor, evaluateNow } from './stages.ts';
import { serveSubmit } from './submit-door.ts';
import { platformTimers } from './timer.ts';

/** What differs between a real start and a test's. */
export interface DaemonOptions {
  readonly places: Places;
  readonly version: string;
  readonly home: string;
  readonly passphraseFile: string | null;
  /** Name under which the keychain keeps our secrets. */
  readonly keychainService: string;
  /** The person said to go on although the ledger's head outside is missing. */
  readonly acceptMissingHead: boolean;
  readonly limits?: Partial<MediationLimits>;
  readonly log: (line: string) => void;
  readonly onStop: () => void;
}

export interface StartFault {
  readonly code: string;
  readonly message: string;
}

export interface RunningDaemon {
  readonly status: () => DaemonStatus;
  readonly stop: () => Promise<void>;
}

/** How long a surface waits for a first sign of life; shorter than any agent's own patience. */
const SURFACE_DEADLINE_MS = 10_000;
const HELLO_MS = 5_000;
/** Whoever takes longer to send one line does not mean it to end. */
const LINE_MS = 5_000;

/**
 * Puts the daemon together and opens its doors, or says why it may not (failure table). Order matters: keys and
 * ledger before policy, policy proven before the doors: nothing is answered by a daemon that cannot record or deny.
 */
export async function startDaemon(options: DaemonOptions): Promise<Result<RunningDaemon, StartFault>> {
  const { places } = options;
  mkdirSync(places.state, { recursive: true, mode: 0o700 });
  const random = systemRandom;
  const hasher = nodeHasher;
  const timers = platformTimers();
  const warnings: string[] = [];
  const ledgerDir = join(places.state, 'ledger');
  let redactor: Redactor | null = null;
  const log = (line: string) => options.log(redactor?.text(line) ?? redactText(line).value);
  const clock = steadyClock({
    floor: recordedTime(ledgerDir) ?? 0,
    onJump: (jump) =>
      log(`the system clock went back by ${Math.round(jump.behindMs)} ms; recorded time goes on`),
  });

  const keys = await openKeys({
    dir: ledgerDir,
    passphraseFile: options.passphraseFile,
    service: options.keychainService,
  });
  if (!keys.ok) return err({ code: keys.error.code, message: keys.error.message });
  if (keys.value.notice !== null) warnings.push(keys.value.notice);
  const headStore =
    keys.value.keychain === null
      ? fileHeadStore(join(places.config, 'ledger-head.json'))
      : keychainHeadStore(keys.value.keychain, ledgerDir);
  const opened = await openLedger({
    dir: ledgerDir,
    headStore,
    keys: keys.value,
    clock,
    hasher,
    random,
    missingHead: options.acceptMissingHead ? 'reset' : 'require',
  });
  if (!opened.ok) return err({ code: opened.error.code, message: opened.error.message });
  const dataKeys = await openDataKeys({
    dir: join(places.state, 'data'),
    keys: keys.value,
    passphraseFile: options.passphraseFile,
  });
  if (!dataKeys.ok) {
    await opened.value.close();
    return err({ code: dataKeys.error.code, message: dataKeys.error.message });
  }
  const redacts = createRedactor(dataKeys.value.redaction, hasher, random);
  redactor = redacts;
  const ledger = redactedLedger(opened.value, redacts);
  // The lock is ours: what a killed daemon left behind would be proven to doors that no longer know it.
  for (const stale of [places.capability, join(places.run, 'daemon.pid')])
    rmSync(stale, { force: true, recursive: true });

  const knowledge = loadKnowledge(join(resourcesDirectory(), 'knowledge'));
  if (!knowledge.ok) {
    await ledger.close();
    return err({
      code: 'knowledge',
      message: `the knowledge table is unreadable: ${knowledge.error.where}: ${knowledge.error.message}`,
    });
  }

  const policies = await watchPolicy(
    [
      { directory: join(resourcesDirectory(), 'policies'), optional: false },
      { directory: join(places.config, 'policies'), optional: true },
    ],
    (next) => void onPolicy(next),
    { transforms: transformNames() },
  );
  const armedNow = (): ArmedPolicy | null => {
    const now = policies.status();
    return now.kind === 'unarmed' ? null : { set: now.policy.set, compiled: now.policy };
  };
  const first = armedNow();
  if (first === null) {
    policies.close();
    await ledger.close();
    return err({ code: 'policy', message: `no policy can be armed:\n${policyFaultText(policies.status())}` });
  }

  let proxy: RunningProxy | null = null;
  const sessions = createSessionStore();
  const readsEnvironment = environmentReaders();
  const own = [...new Set([places.state, places.config, places.run])];
  const approvals = redactedApprovals(createApprovalService(clock, timers), redacts);
  const deferrals = createDeferralService(clock, timers);
  const fingerprintKey = dataKeys.value.fingerprint;
  const common = readCommonText();
  const flows = openFingerprintStore({
    directory: join(places.state, 'data'),
    key: fingerprintKey,
    common: common.digest,
    say: log,
  });
  if (!flows.ok) {
    policies.close();
    await ledger.close();
    return err({ code: flows.error.code, message: flows.error.message });
  }
  const flowStore: FlowStore = flows.value;
  const classify = (effect: Effect, session: Session) =>
    classifyRead(effect, classifyRowsFor(armedNow(), session));
  const reading = createReading({
    clock,
    timers,
    store: flowStore,
    scanner: createReadScanner(fingerprintKey),
    scanNow: (bytes) => scanRead(bytes, fingerprintKey, common.filter),
    classify,
    marksOf: (text) => marksOf(text, fingerprintKey, common.filter),
  });
  const carriedBy = createCarried({
    clock,
    store: flowStore,
    scan: (bytes, inspected) =>
      scanPayload(bytes, { key: fingerprintKey, inflate, inspected, common: common.filter }),
    classify,
    late: (session) => reading.late(session),
  });
  const mcp = createMcpKeeper({
    pins: openMcpPins(join(places.state, 'mcp'), log),
    knowledge: knowledge.value,
    hasher,
    own,
    scanPayload: (text) =>
      scanPayload(new TextEncoder().encode(text), {
        key: fingerprintKey,
        inflate,
        inspected: 'whole',
        common: common.filter,
      }),
    scanText: (text) => scanRead(new TextEncoder().encode(text), fingerprintKey, common.filter),
    mediation: () => mediation,
  });
  const mediation: MediationPorts = {
    clock,
    random,
    hasher,
    timers,
    ledger,
    policy: armedNow,
    approvals,
    deferrals,
    normalize: ({ envelope, ...input }) => {
      switch (envelope.surface) {
        case 'shell':
          return normalizeEnvelope({ ...input, envelope }, knowledge.value, hasher, places.sessions);
        case 'guard':
          return normalizeGuarded({ ...input, envelope }, knowledge.value, hasher, own);
        case 'file':
          return normalizeFileShim({ ...input, envelope }, knowledge.value, hasher, own);
        case 'http':
          return normalizeProxied({ ...input, envelope }, knowledge.value, hasher, own);
        case 'mcp':
          return mcp.normalize({ ...input, envelope });
        default:
          return unreachable(envelope);
      }
    },
    mandateText,
    startTexts,
    environment: (action, now) => (readsEnvironment(armedNow()) ? readEnvironment(action.cwd, now) : []),
    evaluate,
    patternFor: (action, decision) => sessionPattern(action, decision),
    redactor: redacts,
    reading,
    carriedBy,
    carried: (session, action) =>
      factsOf(carriedBy(session, action), action, armedNow()?.set.destinations ?? [], clock.now()),
    appendEntry: (summary, kind, given, at) => {
      const body = redacts.json(given);
      const entry = appendEntry({ length: summary.length, head: summary.head }, { at, kind, body }, hasher);
      return { entry, summary: advanceSummary(summary, entry) };
    },
    replacements: { trash: [process.execPath, commandLineProgram(), 'trash'] },
    redirections: {
      trash: (path, note) => trashPlace(path, homeTrash(options.home, process.env.XDG_DATA_HOME), note),
      copy: (path, session) => {
        const copy = writeCopy(path, join(places.state, 'copies', session));
        // An unused one harms nobody, and another opening may be using it.
        return copy.ok ? ok({ path: copy.value, release: () => undefined }) : copy;
      },
    },
    limits: { ...DEFAULT_LIMITS, ...options.limits },
  };

  const guards = createGuardRegistry(sessions);
  const tablesFor = tableMaker(mediation, knowledge.value, own, places.sessions);
  const scheduler = createScheduler(SCHEDULER_LIMITS, (callback) => void setImmediate(callback));
  const refusals = createRefusalRecorder(ledger, clock, timers);
  const credentials = await openCredentials({
    places,
    mediation,
    keychain: keys.value.keychain,
    keychainService: options.keychainService,
    passphraseFile: options.passphraseFile,
    roots: extraRoots(process.env, ROOT_VARIABLES, log),
    changed: () => proxy?.resettle(),
  });
  if (!credentials.ok) {
    policies.close();
    await ledger.close();
    return err({ code: 'credentials', message: credentials.error });
  }
  const broken = credentials.value.store.fault();
  if (broken !== null) {
    warnings.push(broken.message);
    log(broken.message);
  }
  const proxied = await startProxy({
    state: places.state,
    program: besideProgram('proxy', 'main'),
    keys: keys.value,
    passphraseFile: options.passphraseFile,
    clock,
    random,
    timers,
    mediation,
    sessions,
    scheduler,
    refusals,
    credentials: credentials.value.service,
    agentSocket: (session) => agentSocketOf(places.sessions, session),
    returns: createReturns(mediation),
    fingerprintKey: dataKeys.value.fingerprint,
    passThrough: () => armedNow()?.set.passThrough ?? [],
    env: process.env,
    log,
  });
  if (!proxied.ok) {
    policies.close();
    await ledger.close();
    return err(proxied.error);
  }
  const running = proxied.value;
  proxy = running;
  const startedAt = clock.now();
  const household = householdOf(options);
  const recordLifecycle = (event: string, more: JsonObject) =>
    ledger.append({
      kind: event === 'armed' ? 'policy' : 'lifecycle',
      session: null,
      at: clock.now(),
      body: { event, ...more },
    });
  const armedPart = (policy: ArmedPolicy): JsonObject => ({
    policy: {
      version: policy.set.version,
      hash: policy.set.hash,
      rules: policy.set.rules.length,
      posture: policy.set.posture.name,
    },
  });

  async function onPolicy(next: PolicyStatus): Promise<void> {
    if (next.kind !== 'armed') {
      log(`a changed policy was refused, the last good set stays armed:\n${policyFaultText(next)}`);
      return;
    }
    log(`armed policy ${next.policy.set.version} (${next.policy.set.hash})`);
    guards.retable(tablesFor);
    proxy?.resettle();
    await recordLifecycle('armed', armedPart({ set: next.policy.set, compiled: next.policy }));
  }
  const reload = async (): Promise<{ ok: boolean; message: string }> => {
    const next = await policies.reload();
    if (next.kind !== 'armed')
      return { ok: false, message: `refused, the last good set stays armed:\n${policyFaultText(next)}` };
    return {
      ok: true,
      message: `armed ${next.policy.set.rules.length} rules, ${next.policy.set.hash.slice(0, 12)}`,
    };
  };

  const status = (): DaemonStatus => {
    const health = ledger.status();
    const armed = armedNow();
    const reasons = [...warnings];
    if (health.fault !== null) reasons.unshift(`the ledger cannot record: ${health.fault.message}`);
    if (health.headProblem !== null)
      reasons.push(`the ledger's head cannot be kept outside: ${health.headProblem}`);
    const unproxied = running.fault();
    if (unproxied !== null) reasons.push(`the proxy ${unproxied}: nothing can leave a session`);
    const onDisk = policies.status();
    const fault = onDisk.kind === 'armed' ? null : policyFaultText(onDisk);
    if (fault !== null) reasons.unshift(`a changed policy was refused: ${fault}`);
    const head = ledger.head();
    return {
      version: options.version,
      pid: process.pid,
      started_at: startedAt,
      state:
        health.state !== 'ready' || armed === null ? 'refusing' : reasons.length > 0 ? 'degraded' : 'armed',
      reasons,
      policy: {
        version: armed?.set.version ?? 'none',
        hash: armed?.set.hash ?? '',
        rules: armed?.set.rules.length ?? 0,
        fault,
      },
      keys: keys.value.kind,
      ledger: { path: ledgerDir, receipts: head.size, head: head.hash, fault: health.fault?.message ?? null },
      sessions: sessions.live().map((session) => ({
        id: session.id,
        agent: session.identity.agent.id,
        product: session.identity.agent.product,
        assurance: session.assurance,
        started_at: session.startedAt,
        request: session.intent === null ? null : redacts.text(session.intent.text),
        workspace: session.workspace,
        actions: session.context.actionCount,
        waiting: approvals.pending().filter((view) => view.session === session.id).length,
      })),
      waiting: approvals.pending().length,
      queue: { depth: scheduler.depth, refused: scheduler.refused },
    };
  };

  const capability = randomBytes(32).toString('base64url');
  const submitDoor = {
    mediation,
    sessions,
    verifier: nodeVerifier(),
    scheduler,
    refusals,
    gate: createGate(GATE_LIMITS),
    mcp,
    deadlineMs: SURFACE_DEADLINE_MS,
    helloMs: HELLO_MS,
    lineMs: LINE_MS,
  };
  const guardDoor: GuardDoorPorts = {
    mediation,
    sessions,
    refusals,
    gate: createGate(GUARD_GATE_LIMITS),
    guards,
    nonce: () => Uint8Array.from(randomBytes(NONCE_BYTES)),
    tablesFor,
    processes: {
      startTicks: (pid) => readProcess(pid)?.startTicks ?? null,
      environmentNames,
      isSealed,
    },
    ownPrograms: (session) => `${places.sessions}/${session.id}`,
    late: lateWritesFor({ mediation, knowledge: knowledge.value, hasher, clock, random, timers, ledger }),
    readScript: (operand, cwd) => (operand === null ? null : readScriptText(operand, cwd)),
    programFor,
    signalName,
    wayFor: (session, host, port, scope) => running.wayFor(session, host, port, scope),
    isDatabase: (host, port) => running.isDatabase(host, port),
    helloMs: HELLO_MS,
    frameMs: LINE_MS,
  };
  const controlGate = createGate(GATE_LIMITS);
  const handler = createControlHandler({
    mediation,
    sessions,
    household,
    emptyContext: emptySummary,
    submitSocket: places.submitSocket,
    guardSocket: places.guardSocket,
    deadlineMs: SURFACE_DEADLINE_MS,
    keysKind: keys.value.kind,
    shims: () => shimmedPrograms(knowledge.value, armedNow()),
    calm: (session, armed) =>
      calmFor(session, armed, knowledge.value, hasher, own, (action) =>
        evaluateNow(mediation, armed, session, action),
      ),
    warnings: () => warnings,
    reloadPolicy: reload,
    checkpoint: () => ledger.checkpoint(),
    rotateKey: async () => {
      const rotated = await ledger.rotateKey();
      return rotated.ok
        ? { ok: true, message: `rotated; receipt ${rotated.value.receipt.id}` }
        : { ok: false, message: rotated.error.message };
    },
    status,
    refusals,
    admit: (session) => running.admit(session, session.guard === null),
    authority: running.authority.certificatePem,
    credentials: credentials.value,
    agentSocket: (session) => agentSocketOf(places.sessions, session),
    stop: options.onStop,
  });
  const control = await openDoor(places.controlSocket, (socket) =>
    serveControl(
      {
        directory: places.controlDir,
        capability,
        random,
        timers,
        refusals,
        gate: controlGate,
        version: options.version,
        presenceOf: (pid) => presenceOf(pid, sessions),
        handler,
        helloMs: HELLO_MS,
        lineMs: LINE_MS,
      },
      socket,
    ),
  );
  if (!control.ok) {
    await running.stop();
    policies.close();
    await ledger.close();
    return err({ code: control.error.code, message: control.error.message });
  }
  const submit = await openDoor(places.submitSocket, (socket) => serveSubmit(submitDoor, socket));
  if (!submit.ok) {
    await running.stop();
    control.value.close();
    policies.close();
    await ledger.close();
    return err({ code: submit.error.code, message: submit.error.message });
  }
  const guarded = await openDoor(places.guardSocket, (socket) => serveGuard(guardDoor, socket));
  if (!guarded.ok) {
    await running.stop();
    control.value.close();
    submit.value.close();
    policies.close();
    await ledger.close();
    return err({ code: guarded.error.code, message: guarded.error.message });
  }
  const started = await recordLifecycle('started', {
    version: options.version,
    keys: keys.value.kind,
    ...armedPart(first),
  });
  if (!started.ok) {
    await running.stop();
    control.value.close();
    submit.value.close();
    guarded.value.close();
    policies.close();
    await ledger.close();
    return err({
      code: started.error.code,
      message: `the start could not be recorded: ${started.error.message}`,
    });
  }
  // Written last: who can read it finds doors that are open.
  writeFileSync(join(places.run, 'daemon.pid'), `${process.pid}\n`, { mode: 0o600 });
  writeFileSync(places.capability, `${capability}\n`, { mode: 0o600 });
  log(
    `armed: ${first.set.rules.length} rules, policy ${first.set.hash.slice(0, 12)}, keys kept in ${keys.value.kind}`,
  );

  return ok({
    status,
    stop: async () => {
      policies.close();
      rmSync(places.capability, { force: true });
      rmSync(join(places.run, 'daemon.pid'), { force: true });
      control.value.close();
      submit.value.close();
      guarded.value.close();
      // While the ledger's lock is ours: after that these paths may be the next daemon's.
      rmSync(places.controlSocket, { force: true });
      rmSync(places.submitSocket, { force: true });
      rmSync(places.guardSocket, { force: true });
      for (const session of sessions.live())
        await closeSession(mediation, session, {
          exitCode: null,
          signal: null,
          reason: 'the daemon stopped',
        });
      await running.stop();
      await credentials.value.minters.close();
      await reading.close();
      await flowStore.close();
      await recordLifecycle('stopped', { reason: 'asked to' });
      await ledger.close();
    },
  });
}

/** The command line's program beside this one: built when we are built, source when we are source. */
function commandLineProgram(): string {
  return besideProgram('..', 'shims', 'cli', 'main');
}

function besideProgram(...parts: readonly string[]): string {
  const here = fileURLToPath(import.meta.url);
  return `${join(dirname(here), '..', ...parts)}${extname(here)}`;
}

/** The faults of a refused set, one a line, with their places. */
function policyFaultText(status: PolicyStatus): string {
  if (status.kind === 'armed') return '';
  return status.faults
    .slice(0, 20)
    .map(
      (f) => `${f.place === null ? '' : `${f.place.file}:${f.place.line}:${f.place.column}: `}${f.message}`,
    )
    .join('\n');
}

/** Whether any rule of a policy looks at the environment: then it is read for each action, and else never. Looked up once a policy. */
function environmentReaders(): (armed: ArmedPolicy | null) => boolean {
  const known = new WeakMap<PolicySet, boolean>();
  return (armed) => {
    if (armed === null) return false;
    const { set } = armed;
    const found = known.get(set) ?? set.rules.some((rule) => rule.when?.includes('environment') ?? false);
    known.set(set, found);
    return found;
  };
}

function householdOf(options: DaemonOptions): Household {
  const user = userInfo();
  return {
    human: { name: user.username, uid: user.uid < 0 ? null : user.uid, source: 'operating system account' },
    service: {
      name: 'countersign',
      version: options.version,
      installation: nodeHasher.sha256(`${options.places.state}\n${user.username}`).slice(0, 16),
    },
    home: options.home,
    privileges: user.uid === 0 ? ['root'] : [],
  };
}

/** What "allow for this session" would cover: only when exactly one command was spoken about. */
function sessionPattern(action: Action, decision: Decision): CommandPattern | null {
  const wide = decision.risk === 'low' || decision.risk === 'medium';
  // What a tool is given is no object of its own: a dangerous call is allowed for these very arguments, which is once.
  if (action.surface === 'mcp' && !wide) return null;
  if (action.commands.length === 0) return objectPatternFor(action, decision.rule);
  const index = decision.commands[0];
  const command = index === undefined ? undefined : action.commands[index];
  if (command === undefined || decision.commands.length !== 1 || decision.rule === null) return null;
  // What is dangerous is allowed for these very operands; the rest for the same flags on anything.
  return patternFor(command, decision.rule, command.cwd, wide ? 'free' : 'fixed');
}
