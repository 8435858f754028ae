// Reads of a stream that several consumers share: those that stand at the same place at the same time ask once. Knows nothing of what is read.
import {type DynamoDBStreamsClient, GetRecordsCommand, type GetRecordsCommandOutput} from '@aws-sdk/client-dynamodb-streams'

/** Records asked for at once. */
const recordsPerReadMax = 1_000

interface Running {
  readonly writes: number
  readonly answer: Promise<GetRecordsCommandOutput>
}

export class StreamReads {
  readonly #client: DynamoDBStreamsClient
  readonly #running = new Map<string, Running>()
  #writes = 0

  constructor(client: DynamoDBStreamsClient) {
    this.#client = client
  }

  /** Something was written: a read that is under way may not see it, so nobody else joins it. */
  written(): void {
    this.#writes += 1
  }

  /** What follows `place`, which `iterator` stands for. */
  read(place: string, iterator: string): Promise<GetRecordsCommandOutput> {
    const running = this.#running.get(place)
    if (running?.writes === this.#writes) return running.answer
    const answer = this.#client.send(new GetRecordsCommand({ShardIterator: iterator, Limit: recordsPerReadMax}))
    const mine = {writes: this.#writes, answer}
    this.#running.set(place, mine)
    const forget = () => {
      if (this.#running.get(place) === mine) this.#running.delete(place)
    }
    answer.then(forget, forget)
    return answer
  }
}
