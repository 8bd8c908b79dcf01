// For mutation tests, which need only the failure of a property: shrinking its counterexample takes long.
import fc from 'fast-check'

fc.configureGlobal({ endOnFailure: true })
