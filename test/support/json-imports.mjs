/**
 * A transformer of Jest for packages that import JSON as bundlers allow it: adds the import attribute that Node requires, and
 * without which Jest warns.
 */
export default {
  process: (text) => ({
    code: text.replace(/^(import .* from (["']).*\.json\2);?$/gm, "$1 with { type: 'json' };"),
  }),
}
