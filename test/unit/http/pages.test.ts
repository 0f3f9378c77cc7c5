import { expect, test } from 'vitest'
import { renderContinuePage, renderErrorPage } from '../../../src/http/pages.ts'

test('whatever reaches the error page is escaped (F8)', () => {
  const hostile = `<script>canary()</script>" onload='canary()' &`
  const html = renderErrorPage({
    title: hostile,
    detail: hostile,
    code: hostile,
    requestId: hostile,
    links: [{ href: hostile, text: hostile }],
  })
  expect(html).not.toContain('<script')
  expect(html).not.toMatch(/" onload|' ?onload='/)
  expect(html).toContain('&lt;script&gt;canary()&lt;/script&gt;&quot; onload=&#39;canary()&#39; &amp;')
})

test('the address a page goes on to is escaped', () => {
  const hostile = '/x?a="><script>canary()</script>'
  expect(renderContinuePage({ href: hostile, title: hostile, link: hostile })).not.toContain('<script')
})
