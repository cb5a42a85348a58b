"""What happens between applications, the authority and packages, as seen by whoever looks on: calls as values
(`model`), which of them to show (`filters`), how they are had (`follow`), who called whom (`sequence`), and pictures of
that (`terminal`, `html`).
"""
