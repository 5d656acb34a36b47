import { PstreamError } from 'pstream'
import { expect } from 'vitest'

/** What the promise rejects with, which must be an error of ours. */
export async function failure(promise: Promise<unknown>): Promise<PstreamError & Record<string, unknown>> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(PstreamError)
  return outcome as PstreamError & Record<string, unknown>
}
