import { unreachable } from '../result.ts';
import {
  readLateAgentServers,
  readLateAgentSettings,
  readLateAgentToml,
  readLateAgentYaml,
  readLateInstructions,
} from './late-agents.ts';
import {
  type LateChange,
  type LateEntry,
  type LateKind,
  type LatePorts,
  type LateReader,
  lateDifference,
  lateUnknown,
  MAX_LATE_TEXT,
} from './late-change.ts';
import { readLateCiScript, readLateCompose, readLateWorkflow } from './late-ci.ts';
import {
  readLateDevContainer,
  readLateEditorProject,
  readLateEditorSettings,
  readLateLaunch,
  readLateTasks,
} from './late-editors.ts';
import {
  readLateGitAttributes,
  readLateGitConfig,
  readLateGitLink,
  readLateGitModules,
  readLateHook,
  readLateHookList,
} from './late-git.ts';
import {
  readLateCargoSettings,
  readLateManifest,
  readLateNpmSettings,
  readLatePipSettings,
  readLatePythonProject,
  readLateYarnSettings,
} from './late-packages.ts';
import {
  readLateAutostart,
  readLateCargoBuild,
  readLateFolderStartup,
  readLateJustfile,
  readLateMakefile,
  readLateNativeBuild,
  readLatePackageHook,
  readLatePythonBuild,
  readLatePythonPath,
  readLatePythonStartup,
  readLateSchedule,
  readLateShellStartup,
  readLateTaskList,
  readLateUnit,
} from './late-scripts.ts';

export { lateFolderPatterns, lateKind, latePatterns } from './late-places.ts';

/**
 * What acts later now that did not before. `before` and `after` are whole contents, null where there is no file. A content that
 * cannot be read as its format, or is too large, counts as changed in everything, kind of unknown: it goes to scrutiny, not to
 * silence.
 */
export function lateChange(
  kind: LateKind,
  path: string,
  before: string | null,
  after: string | null,
  ports: LatePorts,
): LateChange {
  if (before === after) return [];
  const read = (text: string | null): readonly LateEntry[] | null =>
    text === null ? [] : text.length > mostOf(kind) ? null : readerOf(kind)(text, ports, path);
  return lateDifference(read(before) ?? [], read(after) ?? [lateUnknown(after ?? '')]);
}

/** JSON is read by the platform; what our own readers read is written by people, and smaller. */
function mostOf(kind: LateKind): number {
  switch (kind) {
    case 'npm-manifest':
    case 'agent-settings':
    case 'agent-servers':
    case 'editor-settings':
      return MAX_LATE_TEXT;
    default:
      return MAX_LATE_TEXT / 4;
  }
}

function readerOf(kind: LateKind): LateReader {
  switch (kind) {
    case 'git-config':
      return readLateGitConfig;
    case 'git-modules':
      return readLateGitModules;
    case 'git-attributes':
      return readLateGitAttributes;
    case 'git-link':
      return readLateGitLink;
    case 'git-hook':
    case 'hook-script':
      return readLateHook;
    case 'hook-list':
      return readLateHookList;
    case 'npm-manifest':
      return readLateManifest;
    case 'npm-settings':
      return readLateNpmSettings;
    case 'yarn-settings':
      return readLateYarnSettings;
    case 'package-hook':
      return readLatePackageHook;
    case 'native-build':
      return readLateNativeBuild;
    case 'makefile':
      return readLateMakefile;
    case 'justfile':
      return readLateJustfile;
    case 'task-list':
      return readLateTaskList;
    case 'python-startup':
      return readLatePythonStartup;
    case 'python-path':
      return readLatePythonPath;
    case 'python-build':
      return readLatePythonBuild;
    case 'python-project':
      return readLatePythonProject;
    case 'pip-settings':
      return readLatePipSettings;
    case 'cargo-settings':
      return readLateCargoSettings;
    case 'cargo-build':
      return readLateCargoBuild;
    case 'ci-workflow':
      return readLateWorkflow;
    case 'ci-script':
      return readLateCiScript;
    case 'compose':
      return readLateCompose;
    case 'editor-tasks':
      return readLateTasks;
    case 'editor-settings':
      return readLateEditorSettings;
    case 'editor-launch':
      return readLateLaunch;
    case 'editor-project':
      return readLateEditorProject;
    case 'dev-container':
      return readLateDevContainer;
    case 'shell-startup':
      return readLateShellStartup;
    case 'folder-startup':
      return readLateFolderStartup;
    case 'unit':
      return readLateUnit;
    case 'schedule':
      return readLateSchedule;
    case 'autostart':
      return readLateAutostart;
    case 'agent-instructions':
      return readLateInstructions;
    case 'agent-settings':
      return readLateAgentSettings;
    case 'agent-servers':
      return readLateAgentServers;
    case 'agent-settings-toml':
      return readLateAgentToml;
    case 'agent-settings-yaml':
      return readLateAgentYaml;
    default:
      return unreachable(kind);
  }
}
