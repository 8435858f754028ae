// EventBridge's pattern language, as far as the filters use it: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html

/** Whether a value of parsed JSON fits a pattern. */
export const matches = (pattern: unknown, value: unknown): boolean => {
  if (Array.isArray(pattern)) return pattern.some(rule => matchesRule(rule, value))
  const [rules, fields] = [pattern as Record<string, unknown>, (value ?? {}) as Record<string, unknown>]
  return Object.entries(rules).every(([name, inner]) => matches(inner, fields[name]))
}

const matchesRule = (rule: unknown, value: unknown): boolean => {
  if (typeof rule === 'string') return rule === value
  const {'anything-but': not, exists} = rule as {'anything-but'?: string[]; exists?: boolean}
  if (exists !== undefined) return (value !== undefined) === exists
  return value !== undefined && not !== undefined && !not.includes(value as string)
}
