import fc from 'fast-check'

/** What the API does not allow, in words of its pattern: everything but [\u0020-\uD7FF\uE000-\uFFFD\r\n\t] and pairs. */
export const NOT_ALLOWED =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

const PIECES = [
  '\u001b[31m',
  '\u001b]8;;http://x\u0007',
  '\u001b]',
  '\u001b',
  '\u009b',
  '\u0090',
  '\u009c',
  '\u0007',
  '\u0000',
  '\u0085',
  '\ufffe',
  '\ud83d',
  '\ude00',
  '\u{1f600}',
  '\u{1f468}\u200d\u{1f469}',
  '漢',
  'é',
  '\r\n',
  '\r',
  '\n\n',
  '\t',
  ' ',
  '[',
  'm',
  '::error::x',
  '##[error]x',
  '\n[... 12 characters left out ...]\n',
  'Service_',
  'GitHubActions:',
  '***',
  '%0A',
  '</td>',
  'SECRET-abc/def+',
  'SECRET-abc%2Fdef%2B',
]

const piece = fc.oneof(
  fc.constantFrom(...PIECES),
  fc.string({ unit: 'binary', maxLength: 5 }),
  fc.string({ maxLength: 5 }),
)

/** Texts of everything that was ever seen to go wrong, in any order, well-formed or not. */
export const anyText = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))

/** The same, and much longer ones. */
export const anyLongText = fc.oneof(
  anyText,
  fc.tuple(anyText, fc.integer({ min: 1, max: 400 }), anyText).map(([text, count, end]) => text.repeat(count) + end),
  fc
    .tuple(
      fc.constantFrom('a', '\u{1f600}', '漢', 'é', 'a\u{1f600}', '\ud83d'),
      fc.integer({ min: 900, max: 11_000 }),
      anyText,
    )
    .map(([unit, count, around]) => around + unit.repeat(count) + around),
)
