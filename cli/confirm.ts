// Asks before something is done that can not be undone. Owns the asking; what is lost is said by the command.
import {CommandError} from './exit.ts'
import type {Session} from './session.ts'

export interface Irrevocable {
  /** As in `Destroying crm can not be undone.` */
  readonly deed: string
  /** What is lost, as a sentence without its end. */
  readonly loss: string
  /** What is to be typed. */
  readonly name: string
  /** As in `Not destroyed: …`. */
  readonly undone: string
}

/** Returns when the name was typed. Throws `failed` when something else was, and `usage` where nobody can be asked. */
export const confirm = async (session: Session, {deed, loss, name, undone}: Irrevocable): Promise<void> => {
  if (!session.inIsTty) throw new CommandError('usage', `${deed} can not be undone. Add --yes to do it without being asked.`)
  const typed = await session.ask(`${loss}. Type ${name} to go on: `)
  if (typed.trim() !== name) throw new CommandError('failed', `${undone}: the name was not typed.`)
}
