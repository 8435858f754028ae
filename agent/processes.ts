// Instances as processes of this machine: what the ordinary agent is made with.
import type {Home} from './compose.ts'
import {Launcher} from './launcher.ts'
import {readBootId} from './runtime/proc.ts'
import {createProcessRuntime} from './runtime/process.ts'

export const processesHere = (): Home => {
  const runtime = createProcessRuntime()
  return {
    runtime,
    launcher: parts => new Launcher({...parts, runtime}),
    bootId: readBootId(),
    now: () => Number(process.hrtime.bigint() / 1_000_000n),
  }
}
