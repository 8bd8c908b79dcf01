/** Shorter "secrets" are placeholders of local set-ups (AWS_SECRET_ACCESS_KEY=x); masking them would shred every text. */
export const MIN_SECRET = 6

/**
 * The texts that are as secret as a secret: the whole, its lines, what stands in its quotes, and the pieces that programs
 * make of it. With the readings of a text it is all that GitHub's runner masks (actions/runner, ValueEncoders.cs), and more.
 *
 * @returns none for a secret that is too short to be one
 */
export function formsOf(secret: string): ReadonlySet<string> {
  if (secret.trim().length < MIN_SECRET) return new Set()
  const forms = [secret, secret.replace(/^"([\s\S]*)"$/, '$1'), ...secret.split(/[\r\n]+/), ...aroundAmpersand(secret)]
  // In expressions of GitHub, in shells that show what they run, and in forms of HTML.
  forms.push(secret.replaceAll("'", "''"), secret.replaceAll("'", "'\\''"), secret.replaceAll(' ', '+'))
  // Where each byte is read as a character; PowerShell takes commands in UTF-16.
  forms.push(Buffer.from(secret).toString('latin1'), Buffer.from(secret, 'utf16le').toString('latin1'))
  return new Set(forms.filter((form) => form.trim().length >= MIN_SECRET))
}

/** The pieces into which PowerShell tears a secret where it shows an error in colours. */
function aroundAmpersand(secret: string): string[] {
  const coloured = secret.indexOf('&+')
  const end = coloured < 0 ? secret.lastIndexOf('&') + 1 : coloured + 2
  return end === 0 ? [] : [secret.slice(0, end), secret.slice(coloured < 0 ? end : end + 1)]
}
