/** Variables of a step that make its process run these ES modules before its program. */
export function preloading(...modules: string[]): { readonly NODE_OPTIONS: string } {
  const options = modules.map((module) => `--import=data:text/javascript,${encodeURIComponent(module)}`)
  return { NODE_OPTIONS: options.join(' ') }
}

/** A module that runs code some time after the action starts to listen to an event of its process, while it works. */
export function whenListening(event: string, afterMs: number, code: string): string {
  return `const timer = setInterval(() => {
    if (process.listenerCount('${event}') === 0) return
    clearInterval(timer)
    setTimeout(() => { ${code} }, ${afterMs}).unref()
  }, 1).unref()`
}
