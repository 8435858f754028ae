// One structured logger for every deployable. Owns the shape of a log line and what is never written to one.
import {type DestinationStream, type Logger, pino} from 'pino'

export type {Logger}

/** A JSON logger named after its deployable; bearer tokens and environment values are redacted wherever a line carries them. */
export const createLogger = (name: string, options: {level?: string; destination?: DestinationStream} = {}): Logger =>
  pino(
    {
      name,
      level: options.level ?? 'info',
      base: {name},
      redact: {
        paths: ['authorization', '*.authorization', 'headers.authorization', 'token', '*.token', 'env', '*.env'],
        censor: '[redacted]',
      },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    options.destination ?? pino.destination({fd: 1, sync: true}),
  )
