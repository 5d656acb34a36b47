// How a note reaches the server: by PUT to its seq, which the server takes once.

/** A function for `OfflineQueue`. Its errors are told to the user. */
export function sender(url) {
  return async ({ seq, time, text }, { signal }) => {
    const response = await fetch(`${url}/${seq}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ time, text }),
      signal,
    }).catch((error) => {
      throw new Error(error.name === 'TimeoutError' ? 'the server takes too long' : 'the server cannot be reached')
    })
    await response.arrayBuffer().catch(() => {})
    if (response.ok) return
    const error = new Error(`the server answers with status ${response.status}`)
    const { status } = response
    error.refused = status >= 400 && status < 500 && status !== 408 && status !== 429
    throw error
  }
}
