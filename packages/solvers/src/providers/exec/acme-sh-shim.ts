/**
 * Calls one function of acme.sh's dnsapi, in the user's copy of acme.sh: `SCRIPT DNSAPI FUNCTION NAME VALUE`. Positional parameters
 * are gone before acme.sh is sourced, which would take them for a command. It saves credentials in its working folder, so that is
 * the current one, which is private and short-lived.
 */
export const ACME_SH_SHIM = `umask 077
_certbus_script=$1
_certbus_dnsapi=$2
_certbus_function=$3
_certbus_name=$4
_certbus_value=$5
LE_WORKING_DIR=$(pwd)
LE_CONFIG_HOME=$LE_WORKING_DIR
export LE_WORKING_DIR LE_CONFIG_HOME
set --
. "$_certbus_script" >/dev/null
_initpath || exit 1
. "$_certbus_dnsapi" || exit 1
"$_certbus_function" "$_certbus_name" "$_certbus_value"
`;
