// Where a local stage keeps what, below its home folder. Names only; nothing here touches the disk.
import {join} from 'node:path'

export interface StagePaths {
  readonly home: string
  readonly database: string
  readonly blobs: string
  readonly logs: string
  readonly checkpoints: string
  readonly secrets: string
  readonly joinToken: string
  readonly secretKey: string
  readonly discoveryToken: string
  /** Last good tables of router and proxy. */
  readonly snapshots: string
  readonly controlPlanePid: string
  readonly controlPlaneLog: string
  /** Who starts again what dies, after `--detach`. */
  readonly watcherPid: string
  readonly watcherLog: string
  /** Held while a bootstrap starts or stops the stage. */
  readonly lock: string
  /** Held by the bootstrap that watches the stage, in the foreground or after `--detach`. */
  readonly foreground: string
  /** The ports it was last started with, for `--stop` and for messages. */
  readonly stage: string
  readonly agent: (executor: string) => AgentPaths
}

export interface AgentPaths {
  readonly home: string
  readonly pid: string
  readonly log: string
  /** What it was to stop and could not. */
  readonly left: string
}

/** The folders and files of the stage in `home` (an absolute path). */
export const stagePaths = (home: string): StagePaths => ({
  home,
  database: join(home, 'db'),
  blobs: join(home, 'blobs'),
  logs: join(home, 'logs'),
  checkpoints: join(home, 'checkpoints'),
  secrets: join(home, 'secrets'),
  secretKey: join(home, 'secrets', 'secret-key'),
  joinToken: join(home, 'secrets', 'join-token'),
  discoveryToken: join(home, 'secrets', 'discovery-token'),
  snapshots: join(home, 'snapshots'),
  controlPlanePid: join(home, 'control-plane.pid'),
  controlPlaneLog: join(home, 'control-plane.log'),
  watcherPid: join(home, 'watcher.pid'),
  watcherLog: join(home, 'watcher.log'),
  lock: join(home, 'bootstrap.lock'),
  foreground: join(home, 'foreground.lock'),
  stage: join(home, 'stage.json'),
  agent: executor => ({
    home: join(home, 'agents', executor),
    pid: join(home, 'agents', `${executor}.pid`),
    log: join(home, 'agents', `${executor}.log`),
    left: join(home, 'agents', executor, 'left.json'),
  }),
})
