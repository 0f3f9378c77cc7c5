/** A stack that docs/apis/ describes, and that this script runs as its page says. */
export interface Stack {
  /** The argument that runs this one alone. */
  name: string
  page: string
  /** The headings of the page's sections that describe it, where the page has several stacks. */
  sections?: string[]
  /**
   * Cases that it accepts, unlike others. The page says why that does no harm: of these tokens, Portico issues
   * only those that are bound to a key.
   */
  accepts: string[]
  /** Programs that it needs, with Debian's packages that bring them and what the stack needs beside them. */
  programs?: Record<string, string[]>
  /** Where a file of the page is put, if not at the top. */
  places?: Record<string, string>
  /** What stands in the place of what the page says: another version. */
  instead?: Record<string, string>
}

const boundAsBearer = 'bound, as Bearer'
const boundWithProof = 'bound, with proof'

const spring = {
  page: 'spring.md',
  accepts: ['no expiry'],
  places: {
    'OrdersApi.java': 'src/main/java/com/example/orders/OrdersApi.java',
    'TokenVerification.java': 'src/main/java/com/example/orders/TokenVerification.java',
    'application.yaml': 'src/main/resources/application.yaml',
  },
}

/** The version on the page is the newest one. */
const springVersion = (version: string) => ({ '<version>4.1.2': `<version>${version}` })
/** Spring Security 6.5 and 7.0 verify DPoP proofs by themselves. */
const withDpop = { accepts: [...spring.accepts, boundWithProof] }
const byConfiguration = ['By configuration alone']

const node = (name: string) => ({ name, page: 'node.md', sections: [name] })

const ruby = ['ruby', 'ruby-jwt', 'ruby-sinatra', 'ruby-webrick']

export const stacks: readonly Stack[] = [
  { ...spring, name: 'spring-4.1', sections: byConfiguration },
  { ...spring, name: 'spring-4.0', sections: byConfiguration, instead: springVersion('4.0.7'), ...withDpop },
  { ...spring, name: 'spring-3.5', sections: byConfiguration, instead: springVersion('3.5.7'), ...withDpop },
  { ...spring, name: 'spring-4.1-at+jwt' },
  { ...spring, name: 'spring-3.5-at+jwt', instead: springVersion('3.5.7'), ...withDpop },
  { name: 'go', page: 'go.md', sections: ['golang-jwt with keyfunc'], accepts: [boundAsBearer] },
  { name: 'go-oidc', page: 'go.md', sections: ['go-oidc'], accepts: ['another typ', boundAsBearer] },
  { name: 'python', page: 'python.md', accepts: [boundAsBearer] },
  { name: 'ruby', page: 'ruby.md', accepts: [boundAsBearer], programs: { ruby } },
  { name: 'express', page: 'express.md', accepts: [] },
  { name: 'fastify', page: 'fastify.md', accepts: [] },
  { name: 'hono', page: 'hono.md', accepts: [] },
  { ...node('express-oauth2-jwt-bearer'), accepts: [boundWithProof] },
  { ...node('jose'), accepts: [boundAsBearer] },
  { ...node('passport-jwt'), accepts: ['no expiry', 'another typ', boundAsBearer] },
  { ...node('fastify-jwt-jwks'), accepts: [boundAsBearer] },
]

/** Pages with a snippet that no machine of this project can run, which they say. */
export const notRun: readonly string[] = ['aspnet.md']
