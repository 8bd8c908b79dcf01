/** Shorter "secrets" are placeholders of local set-ups (AWS_SECRET_ACCESS_KEY=x), and parts of many words. */
export const MIN_SECRET = 6

/**
 * The forms of a secret that reveal it: the whole, its lines, the content of its quotes, and the pieces that programs make of it.
 * With the readings of a text, these are all that GitHub's runner masks (actions/runner, ValueEncoders.cs), and more.
 *
 * @returns none for a secret that is too short
 */
export function formsOf(secret: string): ReadonlySet<string> {
  if (secret.trim().length < MIN_SECRET) return new Set()
  const forms = [secret, secret.replace(/^"([\s\S]*)"$/, '$1'), ...secret.split(/[\r\n]+/), ...aroundAmpersand(secret)]
  // In expressions of GitHub, in shells that show what they run, and in forms of HTML.
  forms.push(secret.replaceAll("'", "''"), secret.replaceAll("'", "'\\''"), secret.replaceAll(' ', '+'))
  // With each byte as a character. PowerShell accepts commands in UTF-16.
  forms.push(Buffer.from(secret).toString('latin1'), Buffer.from(secret, 'utf16le').toString('latin1'))
  return new Set(forms.filter((form) => form.trim().length >= MIN_SECRET))
}

/** The pieces of a secret in PowerShell's colored errors. */
function aroundAmpersand(secret: string): string[] {
  const coloured = secret.indexOf('&+')
  const end = coloured < 0 ? secret.lastIndexOf('&') + 1 : coloured + 2
  return end === 0 ? [] : [secret.slice(0, end), secret.slice(coloured < 0 ? end : end + 1)]
}
