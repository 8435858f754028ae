// Everything the agent knows: the records of its instances and what is desired of it. Owns their saving; decides and does nothing.
import type {Assignment} from '#shared/domain/assignment.ts'
import {isInstanceId, isName, isServiceName} from '#shared/domain/names.ts'
import type {HeardAt} from './contact.ts'
import {type InstanceRecord, keyOf} from './instance.ts'
import type {Offsets} from './logs/logs.ts'
import type {RestingPorts} from './ports.ts'
import {type AgentState, StateFile} from './state.ts'

export type OnChange = (before: InstanceRecord | undefined, after: InstanceRecord) => void

export interface LedgerOptions {
  readonly path: string
  readonly bootId: string
  readonly offsets: () => Readonly<Record<string, Offsets>>
  readonly resting: () => RestingPorts | undefined
  readonly onSaveError: (error: unknown) => void
  /** After each change of a record. */
  readonly onChange: OnChange
}

/** Names become folders: a key made of anything else must not get that far. */
const isSafe = ({formation, service, id}: Assignment): boolean => isName(formation) && isServiceName(service) && isInstanceId(id)

export class Ledger {
  readonly #options: LedgerOptions
  readonly #file: StateFile
  readonly #records = new Map<string, InstanceRecord>()
  #desired: ReadonlyMap<string, Assignment> = new Map()
  #assignmentVersion = 0
  #heardAt: HeardAt

  constructor(options: LedgerOptions) {
    this.#options = options
    this.#file = new StateFile({path: options.path, content: () => this.#state(), onError: options.onSaveError})
  }

  get records(): ReadonlyMap<string, InstanceRecord> {
    return this.#records
  }

  get desired(): ReadonlyMap<string, Assignment> {
    return this.#desired
  }

  /** Of the desired assignments; 0 when the control plane must send all of them. */
  get assignmentVersion(): number {
    return this.#assignmentVersion
  }

  get heardAt(): HeardAt {
    return this.#heardAt
  }

  /** The control plane has answered a sync that was sent at `at`. */
  heard(at: number): void {
    this.#heardAt = at
  }

  /** Takes over what an earlier agent knew. What that had told last, and nobody answered, is not known: all is told again. */
  restore(state: AgentState): void {
    if (state.bootId === this.#options.bootId) this.#heardAt = state.heardAt
    for (const {acknowledged: _, ...record} of state.records) this.#records.set(record.key, record)
    this.#desired = new Map(
      state.desired.flatMap(key => {
        const record = this.#records.get(key)
        return record === undefined ? [] : [[key, record.assignment]]
      }),
    )
  }

  /** The control plane has spoken. Throws when it names what can not be run here. */
  assign(assignments: readonly Assignment[], version: number): void {
    const unsafe = assignments.find(assignment => !isSafe(assignment))
    if (unsafe !== undefined) throw new Error(`not an instance’s name: ${JSON.stringify(keyOf(unsafe))}`)
    this.#desired = new Map(assignments.map(assignment => [keyOf(assignment), assignment]))
    this.#assignmentVersion = version
    for (const [key, assignment] of this.#desired) {
      const record = this.#records.get(key)
      if (record !== undefined) this.#records.set(key, {...record, assignment})
    }
    void this.save()
  }

  /** The next answer must bring all assignments. */
  forgetVersion(): void {
    this.#assignmentVersion = 0
  }

  put(record: InstanceRecord): void {
    this.#change(undefined, record)
  }

  /** Changes a record; nothing happens when it is not there any more. */
  update(key: string, change: (record: InstanceRecord) => InstanceRecord): void {
    const before = this.#records.get(key)
    if (before === undefined) return
    const after = change(before)
    if (after !== before) this.#change(before, after)
  }

  delete(key: string): void {
    this.#records.delete(key)
    void this.save()
  }

  /** Resolves when everything up to now is on disk, or could not be written. */
  save(): Promise<void> {
    return this.#file.save()
  }

  #change(before: InstanceRecord | undefined, after: InstanceRecord): void {
    this.#records.set(after.key, after)
    void this.save()
    this.#options.onChange(before, after)
  }

  #state(): AgentState {
    const {bootId, offsets, resting} = this.#options
    const rests = resting()
    const desired = [...this.#desired.keys()].filter(key => this.#records.has(key))
    const records = [...this.#records.values()]
    // Else an idle agent would write the file after every sync.
    const isCounted = this.#heardAt !== undefined && records.some(({assignment: {onLost}}) => onLost?.action === 'stop')
    return {
      bootId,
      ...(isCounted && {heardAt: this.#heardAt}),
      ...(rests !== undefined && {resting: rests}),
      desired,
      records,
      offsets: offsets(),
    }
  }
}
