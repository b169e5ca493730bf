// Runs Parse Server: node parse_server.mjs FOLDER PORT DATABASE SOCKET_FOLDER;
// FOLDER has it in its node_modules, PostgreSQL listens in SOCKET_FOLDER.
import { createRequire } from 'node:module'

process.chdir(process.argv[2])  // where its logs go
const [folder, port, database, host] = process.argv.slice(2)
const require = createRequire(`${folder}/package.json`)
const express = require('express')
const { ParseServer } = require('parse-server')

const server = new ParseServer({
  databaseURI: `postgres://postgres@localhost/${database}`,
  databaseOptions: { host },
  appId: 'bench',
  masterKey: 'bench-master',
  serverURL: `http://127.0.0.1:${port}/parse`,
  allowClientClassCreation: true,
  directAccess: true,
  logLevel: 'error',
  silent: true,
})
await server.start()
const app = express()
app.use('/parse', server.app)
app.listen(Number(port), '127.0.0.1')
