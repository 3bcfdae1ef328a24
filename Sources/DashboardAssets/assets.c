#include "DashboardAssets.h"

// #embed is of C23, and all that is of it here.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char index_html[] = {
#embed "pages/index.html"
};
static const unsigned char style_css[] = {
#embed "pages/style.css"
};
static const unsigned char icon_svg[] = {
#embed "pages/icon.svg"
};
static const unsigned char app_js[] = {
#embed "pages/app.js"
};
static const unsigned char dom_js[] = {
#embed "pages/dom.js"
};
static const unsigned char live_js[] = {
#embed "pages/live.js"
};
static const unsigned char model_js[] = {
#embed "pages/model.js"
};
static const unsigned char table_js[] = {
#embed "pages/table.js"
};
static const unsigned char value_js[] = {
#embed "pages/value.js"
};
static const unsigned char overview_js[] = {
#embed "pages/overview.js"
};
static const unsigned char agents_js[] = {
#embed "pages/agents.js"
};
static const unsigned char frameworks_js[] = {
#embed "pages/frameworks.js"
};
static const unsigned char tasks_js[] = {
#embed "pages/tasks.js"
};
static const unsigned char sandbox_js[] = {
#embed "pages/sandbox.js"
};
static const unsigned char services_js[] = {
#embed "pages/services.js"
};
static const unsigned char keys_js[] = {
#embed "pages/keys.js"
};
static const unsigned char timeline_js[] = {
#embed "pages/timeline.js"
};

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define JS "text/javascript; charset=utf-8"
#define SVG "image/svg+xml"

static const struct dashboard_asset assets[] = {
    {"index.html", HTML, index_html, sizeof index_html},
    {"style.css", CSS, style_css, sizeof style_css},
    {"icon.svg", SVG, icon_svg, sizeof icon_svg},
    {"app.js", JS, app_js, sizeof app_js},
    {"dom.js", JS, dom_js, sizeof dom_js},
    {"live.js", JS, live_js, sizeof live_js},
    {"model.js", JS, model_js, sizeof model_js},
    {"table.js", JS, table_js, sizeof table_js},
    {"value.js", JS, value_js, sizeof value_js},
    {"overview.js", JS, overview_js, sizeof overview_js},
    {"agents.js", JS, agents_js, sizeof agents_js},
    {"frameworks.js", JS, frameworks_js, sizeof frameworks_js},
    {"tasks.js", JS, tasks_js, sizeof tasks_js},
    {"sandbox.js", JS, sandbox_js, sizeof sandbox_js},
    {"services.js", JS, services_js, sizeof services_js},
    {"keys.js", JS, keys_js, sizeof keys_js},
    {"timeline.js", JS, timeline_js, sizeof timeline_js},
};

size_t dashboard_asset_count(void) { return sizeof assets / sizeof assets[0]; }

struct dashboard_asset dashboard_asset_at(size_t place) { return assets[place]; }
