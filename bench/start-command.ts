import packageJson from '../package.json' with { type: 'json' }

/** What `npm start` tells the C library and V8, for whoever starts a server that is to be like one. */
const words = packageJson.scripts.start.split(' ').filter((word) => word.includes('='))

export const START_FLAGS = words.filter((word) => word.startsWith('--'))

export const START_ENV = Object.fromEntries(
  words
    .filter((word) => !word.startsWith('--'))
    .map((word): [string, string] => {
      const [name = '', value = ''] = word.split('=')
      return [name, value]
    }),
)
