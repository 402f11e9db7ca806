// Runs JavaScript cells in node's own REPL, which knows of top-level await and keeps what cells declare.
// Reads requests, lines of JSON, from stdin; tells events, lines of JSON, on the descriptor it is given. "waiting" says that
// a cell has computed and may wait now; null ends it.
'use strict'
const { createInterface } = require('node:readline')
const { PassThrough, Writable } = require('node:stream')
const { inspect } = require('node:util')
const { writeSync } = require('node:fs')

const MOUTH = Number(process.argv[1])
const FIELDS = {
  'text/plain': 'text', 'text/html': 'html', 'text/markdown': 'markdown', 'text/latex': 'latex',
  'image/svg+xml': 'svg', 'image/png': 'png', 'image/jpeg': 'jpeg', 'application/pdf': 'pdf',
  'application/json': 'json', 'application/javascript': 'javascript', 'e2b/data': 'data', 'e2b/chart': 'chart'
}

// Errors that a cell throws are not given to who evaluates it: the REPL writes them out, and remembers the last.
let failed = null
const output = new Writable({
  write (text, encoding, done) {
    if (String(text).trim()) failed?.(repl.lastError)
    done()
  }
})
const repl = require('node:repl').start({
  prompt: '', input: new PassThrough(), output, terminal: false, useGlobal: true, breakEvalOnSigint: true
})
// For cells that wait. Those that compute are broken off by the REPL itself, which wants no other handler to be there.
const onInterrupt = () => repl.emit('SIGINT')
process.on('SIGINT', onInterrupt)

const tell = (value) => writeSync(MOUTH, JSON.stringify(value) + '\n')

function result (value) {
  const display = value?.[Symbol.for('Jupyter.display')]
  const data = typeof display === 'function' ? display.call(value) : { 'text/plain': inspect(value) }
  const told = { type: 'result', is_main_result: true, extra: {} }
  for (const [type, content] of Object.entries(data)) {
    if (type in FIELDS) told[FIELDS[type]] = content
    else told.extra[type] = content
  }
  if (typeof told.text === 'string') told.text = told.text.replace(/^(['"])([^]*)\1$/, '$2')
  return told
}

function failure (error) {
  const known = error instanceof Error || typeof error?.stack === 'string'
  const [name, value] = known ? [error.name, error.message] : ['Error', inspect(error)]
  return { type: 'error', name: String(name), value: String(value), traceback: known ? String(error.stack) : String(value) }
}

// The REPL takes no import statements, and what they say can be said with import().
function imports (code) {
  return code.replace(
    /^([ \t]*)import\s+(?:([\w$]+)\s*,?\s*)?(?:\*\s*as\s+([\w$]+)|\{([^}]*)\})?\s*(?:from\s*)?(['"][^'"]+['"])[ \t]*;?/gm,
    (whole, indent, main, all, some, from) => {
      const names = [main && `default: ${main}`, some && some.replace(/\s+as\s+/g, ': ')].filter(Boolean).join(', ')
      const parts = []
      if (names) parts.push(`const { ${names} } = await import(${from});`)
      if (all) parts.push(`const ${all} = await import(${from});`)
      return indent + (parts.join(' ') || `await import(${from});`)
    })
}

function script (request) {
  let code = request.code
  if (request.language === 'typescript') {
    const { stripTypeScriptTypes } = require('node:module')
    if (!stripTypeScriptTypes) throw new Error(`node ${process.version} runs no TypeScript: 22.13 is the first that does`)
    code = stripTypeScriptTypes(code)
  }
  return imports(code) + '\n'
}

function evaluate (code) {
  return new Promise((resolve, reject) => {
    failed = reject
    process.off('SIGINT', onInterrupt)
    repl.eval(code, repl.context, 'cell', (error, value) => {
      // What a REPL takes for an unfinished line is an error here.
      if (error) reject(error.name === 'Recoverable' || error.err ? error.err ?? error : error)
      else resolve({ value })
    })
    process.on('SIGINT', onInterrupt)
    tell('waiting')
  })
}

async function run (request) {
  const before = {}
  for (const [name, value] of Object.entries(request.envs ?? {})) {
    before[name] = process.env[name]
    process.env[name] = value
  }
  try {
    const { value } = await evaluate(script(request))
    if (value !== undefined) tell(result(value))
  } catch (error) {
    tell(failure(error))
  }
  failed = null
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  tell(null)
}

process.on('uncaughtException', (error) => process.stderr.write(`${error?.stack ?? error}\n`))
process.on('unhandledRejection', (error) => process.stderr.write(`${error?.stack ?? error}\n`))
createInterface({ input: process.stdin }).on('line', (line) => run(JSON.parse(line))).on('close', () => process.exit())
