import { err, ok, type Result } from '../../electron/core/result.ts';

/**
 * What a session on macOS may reach, as a Seatbelt profile. Unverified on macOS: written from Apple's own profiles and from what other
 * tools' profiles are known to need; docs/macos-sandbox.md says what to try first.
 */
export interface SeatbeltPlan {
  /** The work's folder: writable. */
  readonly workspace: string;
  /** A folder for temporary files of this session alone: writable. */
  readonly temp: string;
  /** Folders that tools keep their own files in (caches): writable. */
  readonly tools: readonly string[];
  /** What may be known to be there but neither read nor changed. */
  readonly veiled: readonly string[];
  /** What is not even shown. */
  readonly hidden: readonly string[];
  /** Port of our proxy on the loopback: the only place that can be connected to. */
  readonly proxyPort: number;
  readonly home: string;
}

/**
 * Services of the system that programs cannot do without. Not among them, on purpose: the keychain (`com.apple.SecurityServer`), whatever
 * opens applications or runs scripts in them (`launchservicesd`, `appleevents`), the pasteboard, and `com.apple.tccd`.
 */
const MACH_SERVICES = [
  'com.apple.bsd.dirhelper',
  'com.apple.logd',
  'com.apple.system.logger',
  'com.apple.system.notification_center',
  'com.apple.system.opendirectoryd.libinfo',
  'com.apple.system.opendirectoryd.membership',
  'com.apple.trustd.agent',
] as const;

/** Devices that are nobody's data. */
const DEVICES = [
  '/dev/null',
  '/dev/zero',
  '/dev/tty',
  '/dev/ptmx',
  '/dev/dtracehelper',
  '/dev/random',
  '/dev/urandom',
] as const;

/** The kernel names these folders by where they really are; a profile that says only one of the two names matches nothing. */
const ALIASED = /^\/(?:private\/)?(tmp|var|etc)(?=\/|$)/;

/**
 * Writes the profile (AARM R1, assurance `sandboxed`). Refuses any path that could end a string, name another object than it shows, or
 * open everything. Seatbelt lets the last fitting rule win, so the order is: nothing, what is allowed, what is denied whatever else.
 */
export function seatbeltProfile(plan: SeatbeltPlan): Result<string, string> {
  const { workspace, temp, tools, veiled, hidden, proxyPort, home } = plan;
  if (!Number.isInteger(proxyPort) || proxyPort < 1 || proxyPort > 65535)
    return err(`\`${proxyPort}\` is not a port`);
  for (const path of [workspace, temp, home, ...tools, ...veiled, ...hidden]) {
    const fault = pathFault(path);
    if (fault !== null) return err(fault);
  }
  const writable = [workspace, temp, ...tools];
  const wide = writable.find(
    (path) => clean(home) === clean(path) || clean(home).startsWith(`${clean(path)}/`),
  );
  if (wide !== undefined) return err(`\`${wide}\` holds the whole home; name a folder inside it`);
  const shut = [...veiled, ...hidden];
  const lines = [
    '(version 1)',
    '(deny default)',
    '',
    '; programs start programs, and see and signal their own kind only',
    '(allow process-exec)',
    '(allow process-fork)',
    '(allow process-info* (target same-sandbox))',
    '(allow signal (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow ipc-posix-sem)',
    '(allow ipc-posix-shm)',
    rule(
      'allow',
      ['mach-lookup'],
      MACH_SERVICES.map((name) => `(global-name ${quote(name)})`),
    ),
    '',
    '; terminals and devices of nothing',
    '(allow pseudo-tty)',
    rule(
      'allow',
      ['file-read*', 'file-write*', 'file-ioctl'],
      DEVICES.map((path) => `(literal ${quote(path)})`),
    ),
    rule(
      'allow',
      ['file-read*', 'file-write*', 'file-ioctl'],
      ['(regex #"^/dev/ttys[0-9]+$")', '(subpath "/dev/fd")'],
    ),
    '',
    '; files: everything is read but what is shut below, written is only here',
    '(allow file-read*)',
    rule('allow', ['file-write*'], subpaths(writable)),
    '',
    '; the network is our proxy',
    '(deny network*)',
    rule('allow', ['network-outbound'], [`(remote ip ${quote(`localhost:${proxyPort}`)})`]),
    '',
    '; whatever else was said',
    ...(veiled.length > 0 ? [rule('deny', ['file-read-data', 'file-read-xattr'], subpaths(veiled))] : []),
    ...(hidden.length > 0 ? [rule('deny', ['file-read*'], subpaths(hidden))] : []),
    ...(shut.length > 0 ? [rule('deny', ['file-write*'], subpaths(shut))] : []),
    ...heldAncestors(shut, writable),
  ];
  return ok(`${lines.join('\n')}\n`);
}

/** How a session's first process is started under a profile. `sandbox-exec` is deprecated by its manual and used by everyone. */
export function underSeatbelt(profilePath: string, command: readonly string[]): readonly string[] {
  return ['/usr/bin/sandbox-exec', '-f', profilePath, ...command];
}

/** A folder above something shut may not be moved or removed: under another name its content would be open. */
function heldAncestors(shut: readonly string[], writable: readonly string[]): readonly string[] {
  const held = new Set<string>();
  for (const path of shut) {
    const parts = clean(path).split('/');
    for (let length = parts.length - 1; length > 1; length -= 1) {
      const above = parts.slice(0, length).join('/');
      if (writable.some((root) => above === clean(root) || above.startsWith(`${clean(root)}/`)))
        held.add(above);
    }
  }
  if (held.size === 0) return [];
  const literals = [...held].flatMap(bothNames).map((path) => `(literal ${quote(path)})`);
  return [rule('deny', ['file-write-unlink', 'file-write-create'], literals)];
}

function rule(verdict: 'allow' | 'deny', operations: readonly string[], filters: readonly string[]): string {
  return `(${verdict} ${operations.join(' ')}\n${filters.map((filter) => `  ${filter}`).join('\n')})`;
}

function subpaths(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => bothNames(clean(path))).map((path) => `(subpath ${quote(path)})`);
}

function bothNames(path: string): readonly string[] {
  const found = ALIASED.exec(path);
  if (found === null) return [path];
  const rest = path.slice(found[0].length);
  return [`/${found[1]}${rest}`, `/private/${found[1]}${rest}`];
}

function clean(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function pathFault(path: string): string | null {
  if (!path.startsWith('/')) return `\`${path}\` is not an absolute path`;
  if (clean(path) === '/') return 'the whole disk cannot be named in a profile';
  if (/[\u0000-\u001f\u007f\u2028\u2029]/.test(path)) return 'a path holds a control character';
  if (!path.isWellFormed()) return 'a path is not valid text';
  if (/\/(?:\.{0,2})(?:\/|$)/.test(clean(path).slice(1)) || clean(path).includes('//'))
    return `\`${path}\` is not a canonical path`;
  return null;
}

/** A string of the profile's language; `pathFault` has refused what no escape would hold. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
