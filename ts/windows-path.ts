/**
 * Windows resolves paths to ones that begin with `\\?\`, and the engine uses them as they are: they may be long, and
 * nothing in them is interpreted. Many programs do not take them, so they are shown without where that is the same file.
 */

/** Within this length every program takes a path (MAX_PATH, which counts the zero at its end). */
const SHORT = 260
/** `\\?\C:\…` or `\\?\UNC\server\share\…`; on other systems no absolute path looks like that. */
const VERBATIM = /^\\\\\?\\(?:(?<drive>[A-Za-z]:\\.*)|UNC\\(?<share>[^\\]+\\.*))$/s
/** Components that Windows reads as something else in a path without the prefix: cut short, or a device. */
const CHANGED = /[. ](?=\\|$)|\/|\\(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=[. :\\]|$)/i

/** The text with each quoted path as it is shown. @internal */
export function shownText(text: string): string {
  return text.replace(/'(\\\\\?\\[^']*)'/g, (_, path: string) => `'${shownPath(path)}'`)
}

/** The path as it is shown. @internal */
export function shownPath(path: string): string {
  const { drive, share } = VERBATIM.exec(path)?.groups ?? {}
  const plain = drive ?? (share === undefined ? path : `\\\\${share}`)
  return plain.length < SHORT && !CHANGED.test(plain) ? plain : path
}
