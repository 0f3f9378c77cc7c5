/**
 * oidc-provider, without the warning it prints on every Node release that is not yet long-term support: the demo's
 * first line should be the address to open.
 */
const { warn } = console
console.warn = () => {}
const { default: Provider, errors } = await import('oidc-provider')
console.warn = warn

export { errors, Provider }
