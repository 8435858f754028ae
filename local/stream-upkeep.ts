// Keeps the embedded database's stream small and quick. dynoxide 1.2 never trims its stream records and looks for positions by scanning all of them,
// so every write gets slower with the number of writes ever made (8 ms after 10,000; 1 ms with the index). Touches only its record table.
import {existsSync} from 'node:fs'
import {DatabaseSync} from 'node:sqlite'

/** Records kept behind the slowest reader: the newest must stay, because the next position is counted from it. */
const keptRecords = 1_000
/** Deleted per call, so that writers wait a few milliseconds at most. */
const trimmedRecordsMax = 5_000
const lockWaitMs = 2_000

const withDatabase = <T>(file: string, use: (database: DatabaseSync) => T): T | undefined => {
  if (!existsSync(file)) return undefined
  const database = new DatabaseSync(file, {timeout: lockWaitMs})
  try {
    const known = database
      .prepare("SELECT count(*) AS columns FROM pragma_table_info('_stream_records') WHERE name IN ('id', 'table_name', 'sequence_number')")
      .get()
    return known?.columns === 3 ? use(database) : undefined
  } finally {
    database.close()
  }
}

/** Indexes stream positions; does nothing when that is done or the table is not the one we know. */
export const indexStream = (file: string): void => {
  withDatabase(file, database =>
    database.exec('CREATE INDEX IF NOT EXISTS gilliam_stream_position ON _stream_records (table_name, CAST(sequence_number AS INTEGER))'),
  )
}

/** Deletes records of `table` at least 1,000 positions before `position`, which every reader has passed; at most 5,000. Returns how many. */
export const trimStream = (file: string, table: string, position: number): number =>
  withDatabase(file, database =>
    Number(
      database
        .prepare(
          `DELETE FROM _stream_records WHERE id IN (
             SELECT id FROM _stream_records WHERE table_name = ? AND CAST(sequence_number AS INTEGER) <= ?
             ORDER BY CAST(sequence_number AS INTEGER) LIMIT ?)`,
        )
        .run(table, position - keptRecords, trimmedRecordsMax).changes,
    ),
  ) ?? 0
