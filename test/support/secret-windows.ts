/** The number of consecutive characters of a secret that must never be shown, in any form; for a shorter one, all. */
const WINDOW = 12

/** The length of the searched part of a form; no form is shorter. */
const MIN_FORM_CHARACTERS = 6

function percent(text: string, kept: RegExp): string {
  const encode = (byte: number): string => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`
  return [...Buffer.from(text)]
    .map((byte) => (kept.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : encode(byte)))
    .join('')
}

function lowerHex(text: string): string {
  return text.replace(/%../g, (byte) => byte.toLowerCase())
}

const XML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }

/** The encodings of a text, by the name of the form. */
export const ENCODERS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  encodeURIComponent: (text) => encodeURIComponent(text.toWellFormed()),
  'percent escapes in lower case': (text) => lowerHex(encodeURIComponent(text.toWellFormed())),
  'percent escapes of RFC 3986': (text) => percent(text, /[\w.~-]/),
  'percent escapes of a form': (text) => percent(text, /[\w.*-]/).replaceAll('%20', '+'),
  'percent escapes of a path': (text) => percent(text, /[\w.~$&+:=@/-]/),
  'a percent escape of each byte': (text) => percent(text, /^$/),
  'percent escapes of percent escapes': (text) => encodeURIComponent(percent(text, /[\w.~-]/)),
  hexadecimal: (text) => Buffer.from(text).toString('hex'),
  'hexadecimal in upper case': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  base64: (text) => Buffer.from(text).toString('base64'),
  'base64 behind a byte': (text) => Buffer.from(`:${text}`).toString('base64'),
  'base64 behind two bytes': (text) => Buffer.from(`u:${text}`).toString('base64'),
  'base64 between others': (text) => Buffer.from(`user:${text}@host`).toString('base64'),
  'base64 of UTF-16': (text) => Buffer.from(text, 'utf16le').toString('base64'),
  'base64 of UTF-16 between others': (text) => Buffer.from(`:${text}@`, 'utf16le').toString('base64'),
  'hexadecimal of UTF-16': (text) => Buffer.from(text, 'utf16le').toString('hex'),
  base64url: (text) => Buffer.from(text).toString('base64url'),
  JSON: (text) => JSON.stringify(text).slice(1, -1),
  'JSON of others': (text) => JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/').replaceAll('+', '\\u002B'),
  'JSON in JSON': (text) => JSON.stringify(JSON.stringify(text)).slice(3, -3),
  XML: (text) => text.replace(/[&<>"']/g, (character) => XML[character] ?? character),
  'XML by numbers': (text) => text.replace(/\W/g, (character) => `&#${character.charCodeAt(0)};`),
  'XML by hexadecimal numbers': (text) =>
    text.replace(/\W/g, (character) => `&#x${character.charCodeAt(0).toString(16)};`),
  'a command line': (text) => text.replaceAll('"', '\\"'),
  'a command that a shell shows': (text) => text.replaceAll("'", "'\\''"),
  'an expression': (text) => text.replaceAll("'", "''"),
  'colours within': (text) => `${text.slice(0, 4)}\u001b[31m${text.slice(4)}`,
  'zero-width spaces within': (text) => [...text].join('\u200b'),
}

/** Base64 of a text after this number of bytes, without the characters that include bits of its neighbours. */
function base64Behind(text: string, before: number): string {
  const whole = Buffer.from('x'.repeat(before) + text).toString('base64')
  return whole.replace(/.=+$/, '').slice(Math.ceil((before * 8) / 6))
}

/** The forms in which these characters of a secret count. In base64, two of them are only partly visible. */
const WINDOWED: readonly { readonly size: number; readonly encode: (text: string) => string }[] = [
  ...Object.entries(ENCODERS)
    .filter(([name]) => !/base64|within/.test(name))
    .map(([, encode]) => ({ size: WINDOW, encode })),
  ...[0, 1, 2].map((before) => ({ size: WINDOW + 2, encode: (text: string) => base64Behind(text, before) })),
]

/** A function that returns the parts of secrets in a text: 12 of their characters, in one of the forms. */
export function windowFinder(secrets: Iterable<string>): (text: string) => string[] {
  const byBeginning = new Map<string, Set<string>>()
  for (const secret of secrets) {
    for (const { size, encode } of WINDOWED) {
      const length = Math.min(size, secret.length)
      for (let start = 0; start + length <= secret.length; start++) {
        const form = encode(secret.slice(start, start + length))
        const beginning = form.slice(0, MIN_FORM_CHARACTERS)
        byBeginning.set(beginning, (byBeginning.get(beginning) ?? new Set()).add(form))
      }
    }
  }
  return (text) => {
    const visible = new Set<string>()
    for (let start = 0; start < text.length; start++) {
      for (const form of byBeginning.get(text.slice(start, start + MIN_FORM_CHARACTERS)) ?? []) {
        if (text.startsWith(form, start)) visible.add(form)
      }
    }
    return [...visible]
  }
}
