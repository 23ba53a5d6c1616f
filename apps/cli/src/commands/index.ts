/** All commands, by the ids that oclif knows them by. */
import AccountDeactivate from './account/deactivate.ts';
import AccountLs from './account/ls.ts';
import AccountRegister from './account/register.ts';
import AccountRollover from './account/rollover.ts';
import AlertsTest from './alerts/test.ts';
import AwsBundle from './aws/bundle.ts';
import AwsTemplate from './aws/template.ts';
import BusArchive from './bus/archive.ts';
import BusBootstrap from './bus/bootstrap.ts';
import BusExport from './bus/export.ts';
import BusImport from './bus/import.ts';
import BusLog from './bus/log.ts';
import BusRepair from './bus/repair.ts';
import BusRestored from './bus/restored.ts';
import BusSnapshot from './bus/snapshot.ts';
import BusVerify from './bus/verify.ts';
import CampaignCancel from './campaign/cancel.ts';
import CampaignLs from './campaign/ls.ts';
import CampaignStart from './campaign/start.ts';
import CampaignStatus from './campaign/status.ts';
import CertCat from './cert/cat.ts';
import CertCheck from './cert/check.ts';
import CertExport from './cert/export.ts';
import CertHistory from './cert/history.ts';
import CertImport from './cert/import.ts';
import CertLs from './cert/ls.ts';
import CertMk from './cert/mk.ts';
import CertRenew from './cert/renew.ts';
import CertRenewable from './cert/renewable.ts';
import CertRevoke from './cert/revoke.ts';
import CertRm from './cert/rm.ts';
import CertStatus from './cert/status.ts';
import Complete from './complete.ts';
import Completion from './completion.ts';
import ConfDisplay from './conf/display.ts';
import ConfEdit from './conf/edit.ts';
import ConfSchema from './conf/schema.ts';
import ConfUpdate from './conf/update.ts';
import ConfUse from './conf/use.ts';
import ConfValidate from './conf/validate.ts';
import Doctor from './doctor.ts';
import ExampleServer from './example-server.ts';
import Help from './help.ts';
import Init from './init.ts';
import Inspect from './inspect.ts';
import Keygen from './keygen.ts';
import KeysCheck from './keys/check.ts';
import ManagerAdd from './manager/add.ts';
import ManagerExpel from './manager/expel.ts';
import ManagerLs from './manager/ls.ts';
import ManagerRm from './manager/rm.ts';
import Plan from './plan.ts';
import ProviderLs from './provider/ls.ts';
import ProviderShow from './provider/show.ts';
import RecipientAdd from './recipient/add.ts';
import RecipientLs from './recipient/ls.ts';
import RecipientReseal from './recipient/reseal.ts';
import RecipientRm from './recipient/rm.ts';
import RootAppend from './root/append.ts';
import RootSign from './root/sign.ts';
import Run from './run.ts';
import Version from './version.ts';

/** Every command by its id. */
export const COMMANDS = {
  'account:deactivate': AccountDeactivate,
  'account:ls': AccountLs,
  'account:register': AccountRegister,
  'account:rollover': AccountRollover,
  'alerts:test': AlertsTest,
  'aws:bundle': AwsBundle,
  'aws:template': AwsTemplate,
  'bus:archive': BusArchive,
  'bus:bootstrap': BusBootstrap,
  'bus:export': BusExport,
  'bus:import': BusImport,
  'bus:log': BusLog,
  'bus:repair': BusRepair,
  'bus:restored': BusRestored,
  'bus:snapshot': BusSnapshot,
  'bus:verify': BusVerify,
  'campaign:cancel': CampaignCancel,
  'campaign:ls': CampaignLs,
  'campaign:start': CampaignStart,
  'campaign:status': CampaignStatus,
  'cert:cat': CertCat,
  'cert:check': CertCheck,
  'cert:export': CertExport,
  'cert:history': CertHistory,
  'cert:import': CertImport,
  'cert:ls': CertLs,
  'cert:mk': CertMk,
  'cert:renew': CertRenew,
  'cert:renewable': CertRenewable,
  'cert:revoke': CertRevoke,
  'cert:rm': CertRm,
  'cert:status': CertStatus,
  complete: Complete,
  completion: Completion,
  'conf:display': ConfDisplay,
  'conf:edit': ConfEdit,
  'conf:schema': ConfSchema,
  'conf:update': ConfUpdate,
  'conf:use': ConfUse,
  'conf:validate': ConfValidate,
  doctor: Doctor,
  'example-server': ExampleServer,
  help: Help,
  init: Init,
  inspect: Inspect,
  keygen: Keygen,
  'manager:add': ManagerAdd,
  'manager:expel': ManagerExpel,
  'manager:ls': ManagerLs,
  'manager:rm': ManagerRm,
  'keys:check': KeysCheck,
  plan: Plan,
  'provider:ls': ProviderLs,
  'provider:show': ProviderShow,
  'recipient:add': RecipientAdd,
  'recipient:ls': RecipientLs,
  'recipient:reseal': RecipientReseal,
  'recipient:rm': RecipientRm,
  'root:append': RootAppend,
  'root:sign': RootSign,
  run: Run,
  version: Version,
};
