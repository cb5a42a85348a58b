"""What an SSP/AP implements in user mode (SECPKG_USER_FUNCTION_TABLE), by power. Plain functions, never coroutines.

The context object that `UserModeContext.init_user_mode_context` returns is given back to every other function; the
handle belongs to the host. One sender and one receiver may use a context at once (R222); two of a kind may not.
Message functions take `SecBuffer` lists and *replace* ``data``: a host that was given one 64 KiB message copies it
once. The descriptors are the call's own: keep none, and leave those of READONLY buffers alone. An EMPTY buffer that has
writable memory lends it for the output of this call; using it saves fresh memory for each large message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from secpkg.contract.flags import InterfaceVersion
from secpkg.contract.user_mode.functions import DllFunctions
from secpkg.contract.values import ContextAttributes, Message, TokenReference, Value


class UserModePackage(Protocol):
    """The one member that every user half has: the name of its package."""

    name: str


class UserModuleTables(Value, frozen=True):
    """What SpUserModeInitialize returns (R158)."""

    version: InterfaceVersion
    packages: Sequence[UserModePackage]


class UserModeInitialize(Protocol):
    """The export that the application's host looks for: entry point group ``secpkg.user_mode``."""

    def __call__(self, version: InterfaceVersion, /) -> UserModuleTables:
        """SpUserModeInitialize: once per process, at the first mapped context (spec/README 2).
        Page: ntsecpkg/nc-ntsecpkg-spusermodeinitializefn.
        """
        ...


class ExportedContext(Value, frozen=True):
    """Result of SpExportSecurityContext."""

    _secrets = ("packed_context",)

    packed_context: bytes
    token: TokenReference | None = None


class Instance(Protocol):
    """Start-up in a process."""

    def instance_init(self, version: InterfaceVersion, functions: DllFunctions) -> None:
        """SpInstanceInit: once per package and process (R159). Raising makes the package unusable in this process.
        Page: ntsecpkg/nc-ntsecpkg-spinstanceinitfn.
        """
        ...


class UserModeContext(Protocol):
    """The life of a mapped context."""

    def init_user_mode_context(self, packed_context: bytes) -> object:
        """SpInitUserModeContext: unpack what the LSA half packed; it begins with its format version and says
        initiator or acceptor (R161, spec/README 8). The bytes are the callee's to release: keep no reference (R162).
        Page: ntsecpkg/nc-ntsecpkg-spinitusermodecontextfn.
        """
        ...

    def delete_user_mode_context(self, context: object) -> None:
        """SpDeleteContext (user mode): before the LSA half, exactly once (spec/README 9).
        Page: ntsecpkg/nc-ntsecpkg-kspdeletecontextfn.
        """
        ...


class Signatures(Protocol):
    """Integrity (SECPKG_FLAG_INTEGRITY)."""

    def make_signature(
        self, context: object, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        """SpMakeSignature: over the DATA buffers, into the one TOKEN buffer (R215). ``sequence_number`` 0 means that
        the application keeps none (R216). Page: ntsecpkg/nc-ntsecpkg-kspmakesignaturefn.
        """
        ...

    def verify_signature(self, context: object, message: Message, sequence_number: int) -> int:
        """SpVerifySignature: returns the quality of protection; SEC_E_MESSAGE_ALTERED, SEC_E_OUT_OF_SEQUENCE (R218).
        Page: ntsecpkg/nc-ntsecpkg-kspverifysignaturefn.
        """
        ...


class Sealing(Protocol):
    """Privacy (SECPKG_FLAG_PRIVACY)."""

    def seal_message(self, context: object, quality_of_protection: int, message: Message, sequence_number: int) -> None:
        """SpSealMessage: one writable DATA buffer, whose ``data`` becomes the ciphertext of the same length, and one
        TOKEN buffer (R219). A package with SECPKG_ATTR_STREAM_SIZES gets HEADER, DATA, TRAILER and EMPTY instead
        (R227). Page: ntsecpkg/nc-ntsecpkg-spsealmessagefn.
        """
        ...

    def unseal_message(self, context: object, message: Message, sequence_number: int) -> int:
        """SpUnsealMessage: the quality of protection. In a stream DATA and EMPTY buffers get new types and data:
        HEADER, DATA, TRAILER, and EXTRA for what was not processed (R224, R225); a message that is not whole is
        SEC_E_INCOMPLETE_MESSAGE, with the number of missing bytes (4 bytes, little-endian) in an EMPTY buffer made
        MISSING, and without any change of state (R226). Page: ntsecpkg/nc-ntsecpkg-spunsealmessagefn.
        """
        ...


class UserContextAttributes(Protocol):
    """Attributes that the user half answers."""

    def query_context_attributes(self, context: object, attribute: int) -> ContextAttributes:
        """SpQueryContextAttributes (user mode): SEC_E_UNSUPPORTED_FUNCTION for what is not offered. Attributes
        announced as context thunks go to the LSA half instead (R164). Page:
        ntsecpkg/nc-ntsecpkg-spquerycontextattributesfn.
        """
        ...


class ContextToken(Protocol):
    """The access token of a context."""

    def get_context_token(self, context: object) -> TokenReference | None:
        """SpGetContextToken: the context's own, undoubled (R166). A user half without this function leaves it to the
        host, which keeps `Complete.access_token`. Page: ntsecpkg/nc-ntsecpkg-spgetcontexttokenfn.
        """
        ...


class CompleteToken(Protocol):
    """Tokens that need completing before they are sent (R189)."""

    def complete_auth_token(self, context: object, token: bytes) -> bytes:
        """SpCompleteAuthToken: returns the token to send. Page: ntsecpkg/nc-ntsecpkg-spcompleteauthtokenfn."""
        ...


class Transfer(Protocol):
    """Moving a context to another process of this machine (R203, R204)."""

    def export_security_context(self, context: object, flags: int) -> ExportedContext:
        """SpExportSecurityContext: the state of both directions; the host sees to it that this context sends nothing
        afterwards. Refuse RESET_NEW (SEC_E_NOT_SUPPORTED) where the copy would use a key's numbers again (ADR 20).
        Page: ntsecpkg/nc-ntsecpkg-spexportsecuritycontextfn.
        """
        ...

    def import_security_context(self, packed_context: bytes, token: TokenReference | None) -> object:
        """SpImportSecurityContext: returns the new context. Page: ntsecpkg/nc-ntsecpkg-spimportsecuritycontextfn."""
        ...


class CredentialForms(Protocol):
    """Other forms of credentials."""

    def format_credentials(self, credentials: bytes) -> bytes:
        """SpFormatCredentials: a storable form (R136). Page: ntsecpkg/nc-ntsecpkg-spformatcredentialsfn."""
        ...

    def marshall_supplemental_creds(self, credentials: bytes) -> bytes:
        """SpMarshallSupplementalCreds: a flat form (R136). Page: ntsecpkg/nc-ntsecpkg-spmarshallsupplementalcredsfn."""
        ...

    def marshal_attribute_data(self, attribute_info: int, attribute: int, attribute_data: bytes) -> bytes | None:
        """SpMarshalAttributeData: None (STATUS_NOT_SUPPORTED) when nothing is to be done (R167). Header NTSecPKG.h."""
        ...


PROTOCOLS: tuple[type, ...] = (
    Instance,
    UserModeContext,
    Signatures,
    Sealing,
    UserContextAttributes,
    ContextToken,
    CompleteToken,
    Transfer,
    CredentialForms,
)
