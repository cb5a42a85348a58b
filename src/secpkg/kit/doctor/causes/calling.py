"""Calls seen."""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.causes.stage import stage
from secpkg.kit.doctor.checks import calling
from secpkg.kit.doctor.model import Cause

CAUSES: Final[tuple[Cause, ...]] = (
    *stage(
        "calls",
        (
            "logon_null",
            calling.logon_entry_null,
            "logons name {package}, which has no LsaApLogonUser function (R40)",
            "define logon_user_ex2, then {again}",
        ),
        (
            "logon_announced",
            calling.logon_announced_without_function,
            "{package} announces LOGON and has no LsaApLogonUser function",
            "define logon_user_ex2 or take Capability.LOGON out of its PackageInfo, then {again}",
        ),
        (
            "untrusted_call_null",
            calling.untrusted_call_null,
            "an untrusted caller reaches LsaApCallPackageUntrusted only (R75), which {package} does not have",
            "define call_package_untrusted in {package}, then {again}",
        ),
        (
            "call_null",
            calling.call_null,
            "LsaCallAuthenticationPackage names {package}, which has no LsaApCallPackage",
            "define call_package in {package}, then {again}",
        ),
        (
            "no_context_functions",
            calling.no_context_functions,
            "applications want contexts of {package}, which makes none",
            "define acquire_credentials_handle, init_lsa_mode_context and accept_lsa_mode_context, then {again}",
        ),
        (
            "asked_by_another_name",
            calling.asked_by_another_name,
            "applications ask for {asked!r}, and the package is called {package!r}",
            'write "{package}" instead of "{asked}" in the application',
        ),
        (
            "account_locked",
            calling.account_locked,
            "logons under {package} are refused: the account {user} is locked",
            "{secpkg} accounts unlock {user}",
        ),
        (
            "must_change",
            calling.must_change,
            "logons under {package} are refused: {user} must change the password first",
            "{secpkg} accounts passwd {user}",
        ),
        (
            "password_expired",
            calling.password_expired,
            "logons under {package} are refused: the password of {user} has expired",
            "{secpkg} accounts passwd {user}",
        ),
        (
            "account_disabled",
            calling.account_disabled,
            "logons under {package} are refused: the account {user} is disabled",
            "{secpkg} accounts enable {user}",
        ),
        (
            "account_expired",
            calling.account_expired,
            "logons under {package} are refused: the account {user} has expired",
            "{secpkg} accounts expire {user} --at never",
        ),
        (
            "lockout_delay",
            calling.lockout_delay,
            "logons of {user} under {package} are delayed after too many wrong passwords (lock 9)",
            "{secpkg} accounts unlock {user}",
        ),
        (
            "no_primary_credentials",
            calling.no_primary_credentials,
            "{package} keeps something of passwords and is shown none: primary credentials are not granted",
            "{again} --primary-credentials",
        ),
        (
            "always_refused",
            calling.last_calls_refused,
            "{package} is asked for ({how}), and refused each time: {status}",
            "{secpkg} trace --failed --package {package}",
        ),
        (
            "function_refuses",
            calling.function_refuses,
            "{function} of {package} is called, and refuses each time: {status}",
            "{secpkg} trace --failed --package {package} --function {function}",
        ),
        (
            "logons_elsewhere",
            calling.logons_elsewhere,
            "{package} is loaded and never called: logons name {other}",
            "{secpkg} logon USER --package {package}",
        ),
        (
            "never_asked",
            calling.never_asked,
            "{package} is loaded and never called: nobody has asked for it since the authority started",
            "{mend}",
        ),
    ),
)
