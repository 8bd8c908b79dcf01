// For mutation tests: that a property fails is all they want to know, and making its counterexample small takes long.
import fc from 'fast-check'

fc.configureGlobal({ endOnFailure: true })
