// List prices of AWS in us-east-1, in US dollars, as of 2025: from its public pages by memory, not fetched. Check them before you rely on a figure: docs/cost.md
// is made of them. Free tiers and discounts are left out.

export const pricesAsOf = '2025'

export const prices = {
  /** API Gateway, HTTP API: a million requests of up to 512 KB each. */
  apiMillionRequests: 1,
  /** Lambda: a million requests; a GB-second on arm64. */
  lambdaMillionRequests: 0.2,
  lambdaGbSecond: 0.000_013_333_4,
  /** DynamoDB on demand, standard table: a million request units. */
  writeMillionUnits: 0.625,
  readMillionUnits: 0.125,
  /** SQS, standard queue. */
  sqsMillionRequests: 0.4,
  /** CloudWatch Logs: a GB taken in. */
  logGb: 0.5,
  /** CloudWatch: an alarm, for each metric that it looks at. */
  alarmMetric: 0.1,
  dashboard: 3,
  /** KMS: a key. */
  key: 1,
  /** Fargate on arm64, Linux: a processor and a GB of memory, an hour. */
  fargateCpuHour: 0.032_38,
  fargateGbHour: 0.003_56,
  /** A public IPv4 address, an hour. */
  addressHour: 0.005,
  /** A network load balancer, an hour, without its capacity units. */
  balancerHour: 0.022_5,
  /** To the internet, a GB. */
  outGb: 0.09,
} as const

/** Seconds of a month of 730 hours, as AWS reckons. */
export const monthSeconds = 730 * 3_600
