import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../core/brand.ts';
import { redactText } from '../core/data/redact.ts';
import { transformNames } from '../core/policy/transform.ts';
import { emptySummary } from '../core/receipt/context-chain.ts';
import { err, ok, type Result } from '../core/result.ts';
import { steadyClock } from '../edge/clock.ts';
import { openDataKeys } from '../edge/data-key.ts';
import { nodeVerifier } from '../edge/ed25519.ts';
import { extraRoots } from '../edge/extra-roots.ts';
import { nodeHasher } from '../edge/hasher.ts';
import { fileHeadStore, keychainHeadStore } from '../edge/head-store.ts';
import { openKeys } from '../edge/keys.ts';
import { loadKnowledge } from '../edge/knowledge-dir.ts';
import { openLedger } from '../edge/ledger.ts';
import { recordedTime } from '../edge/ledger-file.ts';
import { type PolicyStatus, watchPolicy } from '../edge/policy-dir.ts';
import { systemRandom } from '../edge/random.ts';
import { resourcesDirectory } from '../edge/resources.ts';
import type { DaemonStatus } from '../wire/control.ts';
import { createApprovalService } from './approval-service.ts';
import { calmFor } from './calm.ts';
import { createControlHandler } from './control-requests.ts';
import { openCredentials } from './credential-wiring.ts';
import { type DaemonOptions, householdOf, type RunningDaemon, type StartFault } from './daemon-options.ts';
import { daemonStatus, policyFaultText } from './daemon-status.ts';
import { dataDirectory, openData } from './data-wiring.ts';
import { openDoors } from './door-wiring.ts';
import { createGate, GATE_LIMITS, GUARD_GATE_LIMITS } from './gate.ts';
import { createGuardRegistry } from './guard-door.ts';
import { guardDoorPorts, tableMaker } from './guard-wiring.ts';
import { hookService } from './hook-wiring.ts';
import type { McpKeeper } from './mcp-keeper.ts';
import { mcpKeeper } from './mcp-wiring.ts';
import type { ArmedPolicy, MediationPorts } from './mediation.ts';
import { mediationPorts } from './mediation-wiring.ts';
import { agentSocketOf } from './mint-ssh.ts';
import { shimmedPrograms } from './normalize.ts';
import { presenceOf } from './presence.ts';
import { ROOT_VARIABLES, type RunningProxy, startProxy } from './proxy-wiring.ts';
import { createRedactor, type Redactor, redactedApprovals, redactedLedger } from './redaction.ts';
import { createRefusalRecorder } from './refusals.ts';
import { createReturns } from './returns.ts';
import { createScheduler, SCHEDULER_LIMITS } from './scheduler.ts';
import { closeSession } from './session-opening.ts';
import { createSessionStore } from './session-store.ts';
import { evaluateNow } from './stages.ts';
import { platformTimers } from './timer.ts';

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
  // What was opened so far, to be closed again in reverse when the start fails.
  const opened: (() => Promise<unknown> | unknown)[] = [];
  const failed = async (fault: StartFault): Promise<Result<never, StartFault>> => {
    for (const close of opened.reverse()) await close();
    return err({ code: fault.code, message: fault.message });
  };
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
  if (!keys.ok) return failed(keys.error);
  if (keys.value.notice !== null) warnings.push(keys.value.notice);
  const headStore =
    keys.value.keychain === null
      ? fileHeadStore(join(places.config, 'ledger-head.json'))
      : keychainHeadStore(keys.value.keychain, ledgerDir);
  const openedLedger = await openLedger({
    dir: ledgerDir,
    headStore,
    keys: keys.value,
    clock,
    hasher,
    random,
    missingHead: options.acceptMissingHead ? 'reset' : 'require',
  });
  if (!openedLedger.ok) return failed(openedLedger.error);
  opened.push(() => openedLedger.value.close());
  const dataKeys = await openDataKeys({
    dir: dataDirectory(places.state),
    keys: keys.value,
    passphraseFile: options.passphraseFile,
  });
  if (!dataKeys.ok) return failed(dataKeys.error);
  const redacts = createRedactor(dataKeys.value.redaction, hasher, random);
  redactor = redacts;
  const ledger = redactedLedger(openedLedger.value, redacts);
  // The lock is ours: what a killed daemon left behind would be proven to doors that no longer know it.
  for (const stale of [places.capability, join(places.run, 'daemon.pid')])
    rmSync(stale, { force: true, recursive: true });

  const knowledge = loadKnowledge(join(resourcesDirectory(), 'knowledge'));
  if (!knowledge.ok)
    return failed({
      code: 'knowledge',
      message: `the knowledge table is unreadable: ${knowledge.error.where}: ${knowledge.error.message}`,
    });

  const policies = await watchPolicy(
    [
      { directory: join(resourcesDirectory(), 'policies'), optional: false },
      { directory: join(places.config, 'policies'), optional: true },
    ],
    (next) => void onPolicy(next),
    { transforms: transformNames() },
  );
  opened.push(() => policies.close());
  const armedNow = (): ArmedPolicy | null => {
    const now = policies.status();
    return now.kind === 'unarmed' ? null : { set: now.policy.set, compiled: now.policy };
  };
  const first = armedNow();
  if (first === null)
    return failed({
      code: 'policy',
      message: `no policy can be armed:\n${policyFaultText(policies.status())}`,
    });

  let proxy: RunningProxy | null = null;
  const sessions = createSessionStore();
  const own = [...new Set([places.state, places.config, places.run])];
  const approvals = redactedApprovals(createApprovalService(clock, timers), redacts);
  const data = openData({
    directory: dataDirectory(places.state),
    fingerprintKey: dataKeys.value.fingerprint,
    clock,
    timers,
    knowledge: knowledge.value,
    policy: armedNow,
    log,
  });
  if (!data.ok) return failed(data.error);
  opened.push(() => data.value.close());
  const mcp: McpKeeper = mcpKeeper({
    state: places.state,
    data: data.value,
    knowledge: knowledge.value,
    hasher,
    own,
    log,
    mediation: () => mediation,
  });
  const mediation: MediationPorts = mediationPorts({
    clock,
    random,
    hasher,
    timers,
    ledger,
    places,
    home: options.home,
    knowledge: knowledge.value,
    own,
    policy: armedNow,
    approvals,
    redactor: redacts,
    data: data.value,
    mcp,
    limits: options.limits ?? {},
    commandLine: besideProgram('..', 'shims', 'cli', 'main'),
  });

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
  if (!credentials.ok) return failed({ code: 'credentials', message: credentials.error });
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
  if (!proxied.ok) return failed(proxied.error);
  const running = proxied.value;
  opened.push(() => running.stop());
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
    for (const session of sessions.live()) mediation.survey?.begin(session);
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

  const status = (): DaemonStatus =>
    daemonStatus({
      version: options.version,
      startedAt,
      ledgerPath: ledgerDir,
      ledger,
      keys: keys.value.kind,
      policy: armedNow,
      policyOnDisk: policies.status,
      proxyFault: running.fault,
      warnings,
      sessions,
      approvals,
      scheduler,
      redactor: redacts,
    });

  const capability = randomBytes(32).toString('base64url');
  const hooks = hookService({
    mediation,
    sessions,
    household,
    refusals,
    knowledge: knowledge.value,
    hasher,
  });
  const submitDoor = {
    mediation,
    sessions,
    verifier: nodeVerifier(),
    scheduler,
    refusals,
    gate: createGate(GATE_LIMITS),
    hooks,
    mcp,
    deadlineMs: SURFACE_DEADLINE_MS,
    helloMs: HELLO_MS,
    lineMs: LINE_MS,
  };
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
  const doors = await openDoors({
    places,
    submit: submitDoor,
    guard: guardDoorPorts({
      mediation,
      sessions,
      refusals,
      guards,
      tablesFor,
      knowledge: knowledge.value,
      hasher,
      clock,
      random,
      timers,
      ledger,
      sessionsDirectory: places.sessions,
      proxy: running,
    }),
    hook: {
      mediation,
      service: hooks,
      refusals,
      gate: createGate(GUARD_GATE_LIMITS),
      frameMs: LINE_MS,
    },
    control: {
      directory: places.controlDir,
      capability,
      random,
      timers,
      refusals,
      gate: createGate(GATE_LIMITS),
      version: options.version,
      presenceOf: (pid) => presenceOf(pid, sessions),
      handler,
      helloMs: HELLO_MS,
      lineMs: LINE_MS,
    },
  });
  if (!doors.ok) return failed(doors.error);
  opened.push(() => doors.value.close());
  const started = await recordLifecycle('started', {
    version: options.version,
    keys: keys.value.kind,
    ...armedPart(first),
  });
  if (!started.ok)
    return failed({
      code: started.error.code,
      message: `the start could not be recorded: ${started.error.message}`,
    });
  // Written last: who can read it finds doors that are open.
  // Renamed into place: who finds it finds all of it. The pid comes last and says that the doors are open.
  writeFileSync(`${places.capability}.new`, `${capability}\n`, { mode: 0o600 });
  renameSync(`${places.capability}.new`, places.capability);
  writeFileSync(join(places.run, 'daemon.pid'), `${process.pid}\n`, { mode: 0o600 });
  log(
    `armed: ${first.set.rules.length} rules, policy ${first.set.hash.slice(0, 12)}, keys kept in ${keys.value.kind}`,
  );

  return ok({
    status,
    stop: async () => {
      policies.close();
      rmSync(places.capability, { force: true });
      rmSync(join(places.run, 'daemon.pid'), { force: true });
      doors.value.close();
      // While the ledger's lock is ours: after that these paths may be the next daemon's.
      doors.value.remove();
      for (const session of sessions.live())
        await closeSession(mediation, session, {
          exitCode: null,
          signal: null,
          reason: 'the daemon stopped',
        });
      await running.stop();
      await credentials.value.minters.close();
      await data.value.close();
      await recordLifecycle('stopped', { reason: 'asked to' });
      await ledger.close();
    },
  });
}

/** A program beside this one: built when we are built, source when we are source. */
function besideProgram(...parts: readonly string[]): string {
  const here = fileURLToPath(import.meta.url);
  return `${join(dirname(here), '..', ...parts)}${extname(here)}`;
}
