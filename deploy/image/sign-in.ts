import { signInAtDemo } from '../../test/support/deployments/demo-sign-in.ts'

/** Signs a user in at the demo that runs at an address, for `verify-image.sh`. */

const [url = ''] = process.argv.slice(2)
const { token, orders } = await signInAtDemo(url)
process.stdout.write(`sign-in         token ${token}, sample API ${orders}\n`)
process.exitCode = token === 200 && orders === 200 ? 0 : 1
