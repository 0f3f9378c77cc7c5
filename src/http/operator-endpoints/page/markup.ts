/** The markup of the operator's page: what is known before the script has asked for anything. */
export const markup = `
<header>
  <h1>Portico <span>operator</span></h1>
  <button id="leave" class="quiet" hidden>Forget the secret</button>
</header>
<main>
  <p id="notice" role="status"></p>
  <p id="problem" role="alert"></p>

  <form id="enter" class="card">
    <label for="secret">OPERATOR_SECRET</label>
    <div class="row">
      <input id="secret" type="password" autocomplete="off" required autofocus>
      <button>Open</button>
    </div>
    <p class="hint">It stays in this tab, until you forget it or close the tab.</p>
  </form>

  <div id="inside" hidden>
    <section aria-labelledby="status-title">
      <h2 id="status-title" tabindex="-1">Status</h2>
      <dl id="tiles"></dl>
      <ul id="parts" class="plain"></ul>
      <p class="row"><button id="drain" class="quiet"></button><span id="drain-hint" class="hint"></span></p>
    </section>

    <section aria-labelledby="sessions-title">
      <h2 id="sessions-title">Sessions of a user</h2>
      <form id="find" class="card">
        <label for="subject">Subject: the <code>sub</code> of app tokens</label>
        <div class="row"><input id="subject" autocomplete="off" spellcheck="false" required>
        <button>Find</button></div>
        <div id="sessions"></div>
      </form>
    </section>

    <section aria-labelledby="events-title">
      <h2 id="events-title">Why could this user not sign in?</h2>
      <form id="ask" class="card">
        <label for="question">The id on the error page, or the subject</label>
        <div class="row">
          <select id="kind" aria-label="What it is"><option value="id">Id</option>
          <option value="subject">Subject</option></select>
          <input id="question" autocomplete="off" spellcheck="false" required>
          <button>Explain</button>
        </div>
        <ol id="story" class="plain"></ol>
      </form>
    </section>

    <section aria-labelledby="providers-title">
      <h2 id="providers-title">Providers</h2>
      <ul id="providers" class="plain card"></ul>
    </section>

    <section aria-labelledby="keys-title">
      <h2 id="keys-title">Signing keys of app tokens</h2>
      <div class="card">
        <ul id="keys" class="plain"></ul>
        <p class="row"><button id="rotate" class="quiet">Rotate now</button>
        <span class="hint">The next key signs two minutes later. No token is refused.</span></p>
      </div>
    </section>

    <section aria-labelledby="everyone-title">
      <h2 id="everyone-title">Everyone</h2>
      <div class="card"><p class="row"><button id="end-everyone" class="danger">End all sessions</button>
      <span class="hint">Every user, on every replica, also logins in progress.</span></p></div>
    </section>
  </div>
</main>
<dialog id="sure" aria-labelledby="sure-question">
  <p id="sure-question"></p>
  <p class="row"><button id="sure-no" class="quiet">Cancel</button><button id="sure-yes" class="danger"></button></p>
</dialog>
`
