// What a restarted agent makes of an instance it remembers, given what the runtime found of it. Pure.
import {type Exit, exited, hasProcess, type InstanceRecord, launchCancelled, launched, launching} from './instance.ts'

/** As the runtime found it, without its handle. */
export type Finding = {readonly state: 'running'} | {readonly state: 'ended'; readonly exit: Exit} | {readonly state: 'absent'}

// Its start was under way, or about to be, when the last agent died.
const started = (record: InstanceRecord, now: number): InstanceRecord =>
  launched(record.phase === 'waiting' ? launching(record) : record, now)

/** Continues an instance of this boot. */
export const adopted = (record: InstanceRecord, finding: Finding, now: number): InstanceRecord => {
  if (record.phase === 'ended') return record
  if (finding.state === 'running') return hasProcess(record) ? record : started(record, now)
  if (hasProcess(record)) return exited(record, finding.state === 'ended' ? finding.exit : {}, now)
  if (record.phase !== 'launching') return record
  return finding.state === 'ended' ? exited(started(record, now), finding.exit, now) : launchCancelled(record, now)
}
