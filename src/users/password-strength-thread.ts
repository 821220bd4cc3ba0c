import { serveThread } from '../lib/thread.ts'
import { loadPasswordWeakness } from './password-strength.ts'

serveThread(loadPasswordWeakness())
