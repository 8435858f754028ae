// Waiting that can be called off. Owns no timers.

/** Settles as `promise` does, unless `signal` is aborted before: then it rejects with the signal's reason, and what becomes of `promise` is nobody's concern. */
export const unlessAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason)
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, {once: true})
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
