/**
 * oidc-provider, without the warning that it prints on a Node release before long-term support. The first
 * line that the demo prints should be the address to open.
 */
const { warn } = console
console.warn = () => {}
const { default: Provider, errors } = await import('oidc-provider')
console.warn = warn

export { errors, Provider }
