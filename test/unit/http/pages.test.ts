import { expect, test } from 'vitest'
import { renderContinuePage, renderErrorPage, renderSignInPage } from '../../../src/http/pages.ts'

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

test('whatever reaches the sign-in page is escaped', () => {
  const hostile = `"><script>canary()</script><img src=x onerror='canary()'>`
  const page = renderSignInPage({
    site: hostile,
    ways: [
      { href: hostile, label: hostile, icon: hostile },
      { href: hostile, label: '<b>', icon: undefined },
    ],
  })
  expect(page).not.toMatch(/<script|<img src=x|<b><|" onerror/)
  expect(page).toContain('aria-hidden="true">&lt;</span>')
})

test('the initial of a way without a picture is one letter, however it is composed', () => {
  const render = (label: string) =>
    renderSignInPage({ site: 's', ways: [{ href: '/', label, icon: undefined }] })
  expect(render('e\u0301cole')).toContain('>E\u0301</span>')
  expect(render('\u{1f9d1}\u200d\u{1f680} crew')).toContain('>\u{1f9d1}\u200d\u{1f680}</span>')
})
