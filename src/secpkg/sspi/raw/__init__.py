"""Every SSPI function, one to one: for those who port C code, or want to see what the documents describe.

Names are the documented ones in snake_case. A function returns its status, and with outputs a tuple that begins with
it; documented failures are returned and never raised. Handles are opaque objects. Buffers are `SecBuffer`, whose
``data`` is replaced; nothing is freed by hand, so FreeContextBuffer and its kind release and forget.
A function that is not built answers SEC_E_UNSUPPORTED_FUNCTION and says so to `secpkg.contract.implements`.
"""

from secpkg.contract.values import SecBuffer
from secpkg.sspi.operations import ContextHandle, CredentialHandle
from secpkg.sspi.raw.contexts import (
    accept_security_context,
    apply_control_token,
    complete_auth_token,
    delegate_security_context,
    delete_security_context,
    export_security_context,
    free_context_buffer,
    impersonate_security_context,
    import_security_context,
    initialize_security_context,
    query_context_attributes,
    query_context_attributes_ex,
    query_security_context_token,
    revert_security_context,
    set_context_attributes,
)
from secpkg.sspi.raw.credentials import (
    acquire_credentials_handle,
    add_credentials,
    change_account_password,
    free_credentials_handle,
    query_credentials_attributes,
    query_credentials_attributes_ex,
    set_credentials_attributes,
)
from secpkg.sspi.raw.identities import (
    sspi_compare_auth_identities,
    sspi_copy_auth_identity,
    sspi_encode_auth_identity_as_strings,
    sspi_encode_strings_as_auth_identity,
    sspi_free_auth_identity,
    sspi_get_target_host_name,
    sspi_is_auth_identity_encrypted,
    sspi_local_free,
    sspi_validate_auth_identity,
    sspi_zero_auth_identity,
)
from secpkg.sspi.raw.messages import decrypt_message, encrypt_message, make_signature, verify_signature
from secpkg.sspi.raw.packages import (
    SecurityPackageOptions,
    add_security_package,
    delete_security_package,
    enumerate_security_packages,
    init_security_interface,
    query_security_package_info,
)
from secpkg.sspi.raw.unsupported import *  # noqa: F403  # made from a table: one function for each of its rows
from secpkg.sspi.raw.unsupported import __all__ as _unsupported

__all__ = [  # noqa: PLE0604  # the table's names are strings
    "ContextHandle",
    "CredentialHandle",
    "SecBuffer",
    "SecurityPackageOptions",
    "accept_security_context",
    "acquire_credentials_handle",
    "add_credentials",
    "add_security_package",
    "apply_control_token",
    "change_account_password",
    "complete_auth_token",
    "decrypt_message",
    "delegate_security_context",
    "delete_security_context",
    "delete_security_package",
    "encrypt_message",
    "enumerate_security_packages",
    "export_security_context",
    "free_context_buffer",
    "free_credentials_handle",
    "impersonate_security_context",
    "import_security_context",
    "init_security_interface",
    "initialize_security_context",
    "make_signature",
    "query_context_attributes",
    "query_context_attributes_ex",
    "query_credentials_attributes",
    "query_credentials_attributes_ex",
    "query_security_context_token",
    "query_security_package_info",
    "revert_security_context",
    "set_context_attributes",
    "set_credentials_attributes",
    "sspi_compare_auth_identities",
    "sspi_copy_auth_identity",
    "sspi_encode_auth_identity_as_strings",
    "sspi_encode_strings_as_auth_identity",
    "sspi_free_auth_identity",
    "sspi_get_target_host_name",
    "sspi_is_auth_identity_encrypted",
    "sspi_local_free",
    "sspi_validate_auth_identity",
    "sspi_zero_auth_identity",
    "verify_signature",
    *_unsupported,
]
