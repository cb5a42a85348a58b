"""Message support: the user half of the package alone; no other process is asked.

Buffers and numbers are checked there (`secpkg.host.user_mode.messages`), once.
"""

from __future__ import annotations

from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.contract.values import Message
from secpkg.sspi.operations import ContextHandle
from secpkg.sspi.raw.handles import context_of


@floor("sspi", "MakeSignature", checks=False)
def make_signature(
    context: ContextHandle | None, quality_of_protection: int, message: Message, message_seq_no: int = 0
) -> Status:
    """MakeSignature: the TOKEN buffer's data become the signature (R215); sequence number 0 says that the application
    keeps none (R216). SEC_E_QOP_NOT_SUPPORTED without integrity (R220), SEC_E_UNSUPPORTED_FUNCTION where the session
    cannot sign (R214). Page: sspi/nf-sspi-makesignature.
    """
    context_of(context).mapped().make_signature(quality_of_protection, message, message_seq_no)
    return Status.SEC_E_OK


@floor("sspi", "VerifySignature", checks=False)
def verify_signature(context: ContextHandle | None, message: Message, message_seq_no: int = 0) -> tuple[Status, int]:
    """VerifySignature: (status, quality of protection); SEC_E_MESSAGE_ALTERED, SEC_E_OUT_OF_SEQUENCE (R218). Page:
    sspi/nf-sspi-verifysignature.
    """
    return Status.SEC_E_OK, context_of(context).mapped().verify_signature(message, message_seq_no)


@floor("sspi", "EncryptMessage", checks=False)
def encrypt_message(
    context: ContextHandle | None, quality_of_protection: int, message: Message, message_seq_no: int = 0
) -> Status:
    """EncryptMessage: one writable DATA buffer becomes the ciphertext, the TOKEN buffer the trailer (R219); in a stream
    HEADER, DATA and TRAILER, in this order and of the stream sizes (R209, R227). Without a DATA buffer
    SEC_E_INVALID_TOKEN (R221). SECQOP_WRAP_NO_ENCRYPT signs only, and is all that there is without confidentiality
    (R220). After the context's expiry SEC_E_CONTEXT_EXPIRED. A refused call has changed no buffer. One thread may
    encrypt while another decrypts; two of a kind get SEC_E_INVALID_HANDLE (R222). Page: sspi/nf-sspi-encryptmessage.
    """
    context_of(context).mapped().seal_message(quality_of_protection, message, message_seq_no)
    return Status.SEC_E_OK


@floor("sspi", "DecryptMessage", checks=False)
def decrypt_message(context: ContextHandle | None, message: Message, message_seq_no: int = 0) -> tuple[Status, int]:
    """DecryptMessage: (status, quality of protection); may succeed with empty output (R223). A stream's DATA and four
    EMPTY buffers become HEADER, DATA, TRAILER and EXTRA (R224, R225); SEC_E_INCOMPLETE_MESSAGE leaves them as they were
    but for one that says how many bytes, four of them little-endian, are MISSING (R226). Page:
    sspi/nf-sspi-decryptmessage.
    """
    return Status.SEC_E_OK, context_of(context).mapped().unseal_message(message, message_seq_no)
