"""Numbers of Kerberos by name: RFC 4120 7.5, RFC 3961, RFC 3962, RFC 8009, RFC 4757 and the registry of IANA."""

from types import MappingProxyType
from typing import Final

APPLICATION: Final = MappingProxyType(
    {
        1: "Ticket",
        10: "AS-REQ",
        11: "AS-REP",
        12: "TGS-REQ",
        13: "TGS-REP",
        14: "AP-REQ",
        15: "AP-REP",
        20: "KRB-SAFE",
        21: "KRB-PRIV",
        22: "KRB-CRED",
        30: "KRB-ERROR",
    }
)
NAME_TYPES: Final = MappingProxyType(
    {
        0: "NT-UNKNOWN",
        1: "NT-PRINCIPAL",
        2: "NT-SRV-INST",
        3: "NT-SRV-HST",
        4: "NT-SRV-XHST",
        5: "NT-UID",
        6: "NT-X500-PRINCIPAL",
        7: "NT-SMTP-NAME",
        10: "NT-ENTERPRISE",
        11: "NT-WELLKNOWN",
    }
)
ENCRYPTION: Final = MappingProxyType(
    {
        1: "des-cbc-crc",
        3: "des-cbc-md5",
        16: "des3-cbc-sha1-kd",
        17: "aes128-cts-hmac-sha1-96",
        18: "aes256-cts-hmac-sha1-96",
        19: "aes128-cts-hmac-sha256-128",
        20: "aes256-cts-hmac-sha384-192",
        23: "rc4-hmac",
        24: "rc4-hmac-exp",
        25: "camellia128-cts-cmac",
        26: "camellia256-cts-cmac",
    }
)
CHECKSUMS: Final = MappingProxyType(
    {
        7: "rsa-md5",
        12: "hmac-sha1-des3-kd",
        15: "hmac-sha1-96-aes128",
        16: "hmac-sha1-96-aes256",
        19: "hmac-sha256-128-aes128",
        20: "hmac-sha384-192-aes256",
        0x8003: "GSS-API (RFC 4121 4.1.1)",
        -138: "hmac-md5",
    }
)
ADDRESSES: Final = MappingProxyType({2: "IPv4", 3: "directional", 20: "NetBIOS", 24: "IPv6"})
PA_TYPES: Final = MappingProxyType(
    {
        1: "PA-TGS-REQ",
        2: "PA-ENC-TIMESTAMP",
        3: "PA-PW-SALT",
        11: "PA-ETYPE-INFO",
        16: "PA-PK-AS-REQ",
        17: "PA-PK-AS-REP",
        19: "PA-ETYPE-INFO2",
        128: "PA-PAC-REQUEST",
        129: "PA-FOR-USER",
        130: "PA-FOR-X509-USER",
        133: "PA-FX-COOKIE",
        136: "PA-FX-FAST",
        137: "PA-FX-ERROR",
        138: "PA-ENCRYPTED-CHALLENGE",
        147: "PA-PKINIT-KX",
        149: "PA-REQ-ENC-PA-REP",
        150: "PA-AS-FRESHNESS",
        151: "PA-SPAKE",
        165: "PA-SUPPORTED-ETYPES",
        167: "PA-PAC-OPTIONS",
    }
)
ERRORS: Final = MappingProxyType(
    {
        0: "KDC_ERR_NONE",
        1: "KDC_ERR_NAME_EXP",
        2: "KDC_ERR_SERVICE_EXP",
        3: "KDC_ERR_BAD_PVNO",
        4: "KDC_ERR_C_OLD_MAST_KVNO",
        5: "KDC_ERR_S_OLD_MAST_KVNO",
        6: "KDC_ERR_C_PRINCIPAL_UNKNOWN",
        7: "KDC_ERR_S_PRINCIPAL_UNKNOWN",
        8: "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
        9: "KDC_ERR_NULL_KEY",
        10: "KDC_ERR_CANNOT_POSTDATE",
        11: "KDC_ERR_NEVER_VALID",
        12: "KDC_ERR_POLICY",
        13: "KDC_ERR_BADOPTION",
        14: "KDC_ERR_ETYPE_NOSUPP",
        15: "KDC_ERR_SUMTYPE_NOSUPP",
        16: "KDC_ERR_PADATA_TYPE_NOSUPP",
        17: "KDC_ERR_TRTYPE_NOSUPP",
        18: "KDC_ERR_CLIENT_REVOKED",
        19: "KDC_ERR_SERVICE_REVOKED",
        20: "KDC_ERR_TGT_REVOKED",
        21: "KDC_ERR_CLIENT_NOTYET",
        22: "KDC_ERR_SERVICE_NOTYET",
        23: "KDC_ERR_KEY_EXPIRED",
        24: "KDC_ERR_PREAUTH_FAILED",
        25: "KDC_ERR_PREAUTH_REQUIRED",
        26: "KDC_ERR_SERVER_NOMATCH",
        27: "KDC_ERR_MUST_USE_USER2USER",
        28: "KDC_ERR_PATH_NOT_ACCEPTED",
        29: "KDC_ERR_SVC_UNAVAILABLE",
        31: "KRB_AP_ERR_BAD_INTEGRITY",
        32: "KRB_AP_ERR_TKT_EXPIRED",
        33: "KRB_AP_ERR_TKT_NYV",
        34: "KRB_AP_ERR_REPEAT",
        35: "KRB_AP_ERR_NOT_US",
        36: "KRB_AP_ERR_BADMATCH",
        37: "KRB_AP_ERR_SKEW",
        38: "KRB_AP_ERR_BADADDR",
        39: "KRB_AP_ERR_BADVERSION",
        40: "KRB_AP_ERR_MSG_TYPE",
        41: "KRB_AP_ERR_MODIFIED",
        42: "KRB_AP_ERR_BADORDER",
        44: "KRB_AP_ERR_BADKEYVER",
        45: "KRB_AP_ERR_NOKEY",
        46: "KRB_AP_ERR_MUT_FAIL",
        47: "KRB_AP_ERR_BADDIRECTION",
        48: "KRB_AP_ERR_METHOD",
        49: "KRB_AP_ERR_BADSEQ",
        50: "KRB_AP_ERR_INAPP_CKSUM",
        51: "KRB_AP_PATH_NOT_ACCEPTED",
        52: "KRB_ERR_RESPONSE_TOO_BIG",
        60: "KRB_ERR_GENERIC",
        61: "KRB_ERR_FIELD_TOOLONG",
        62: "KDC_ERR_CLIENT_NOT_TRUSTED",
        63: "KDC_ERR_KDC_NOT_TRUSTED",
        64: "KDC_ERR_INVALID_SIG",
        65: "KDC_ERR_KEY_TOO_WEAK",
        66: "KDC_ERR_CERTIFICATE_MISMATCH",
        67: "KRB_AP_ERR_NO_TGT",
        68: "KDC_ERR_WRONG_REALM",
        69: "KRB_AP_ERR_USER_TO_USER_REQUIRED",
        70: "KDC_ERR_CANT_VERIFY_CERTIFICATE",
        71: "KDC_ERR_INVALID_CERTIFICATE",
        72: "KDC_ERR_REVOKED_CERTIFICATE",
        73: "KDC_ERR_REVOCATION_STATUS_UNKNOWN",
        74: "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE",
        75: "KDC_ERR_CLIENT_NAME_MISMATCH",
        76: "KDC_ERR_KDC_NAME_MISMATCH",
    }
)

__all__ = ["ADDRESSES", "APPLICATION", "CHECKSUMS", "ENCRYPTION", "ERRORS", "NAME_TYPES", "PA_TYPES"]
