// What the capacity function needs of whoever owns the machines. Types only; lambdas/aws/machines.ts has them from Auto Scaling.
import type {MachineGroup} from '#shared/domain/capacity.ts'

export interface Machines {
  /** Undefined when there is no such group. */
  readonly describe: () => Promise<MachineGroup | undefined>
  /** How many there should be; saying the same again changes nothing. */
  readonly setDesired: (desired: number) => Promise<void>
  /** Begins the end of a machine. `replace`: another is launched in its place; else the group wants one fewer. One that ends already is left alone. */
  readonly end: (machine: string, replace: boolean) => Promise<void>
}
