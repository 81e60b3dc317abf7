package alm_bench.spice;

import java.io.Reader;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import javax.script.AbstractScriptEngine;
import javax.script.Bindings;
import javax.script.ScriptContext;
import javax.script.ScriptEngine;
import javax.script.ScriptEngineFactory;
import javax.script.SimpleBindings;

/**
 * Stands for the JavaScript engine that Java dropped in version 15. SPICE asks for one only to indent its result: it
 * puts a JSON text under `jsonString`, evaluates a script, and takes `result`. Here `result` is that text, as it is.
 */
public final class ResultEngineFactory implements ScriptEngineFactory {
    public String getEngineName() { return "alm-bench result engine"; }
    public String getEngineVersion() { return "1"; }
    public String getLanguageName() { return "ECMAScript"; }
    public String getLanguageVersion() { return "none"; }
    public List<String> getExtensions() { return Collections.singletonList("js"); }
    public List<String> getMimeTypes() { return Collections.singletonList("application/javascript"); }
    public List<String> getNames() { return Arrays.asList("JavaScript", "javascript", "js"); }
    public Object getParameter(String key) { return null; }
    public String getMethodCallSyntax(String object, String method, String... arguments) { return null; }
    public String getOutputStatement(String text) { return null; }
    public String getProgram(String... statements) { return null; }
    public ScriptEngine getScriptEngine() { return new ResultEngine(this); }

    private static final class ResultEngine extends AbstractScriptEngine {
        private final ScriptEngineFactory factory;

        ResultEngine(ScriptEngineFactory factory) { this.factory = factory; }

        @Override
        public Object get(String key) { return super.get("result".equals(key) ? "jsonString" : key); }

        public Object eval(String script, ScriptContext context) { return null; }
        public Object eval(Reader script, ScriptContext context) { return null; }
        public Bindings createBindings() { return new SimpleBindings(); }
        public ScriptEngineFactory getFactory() { return factory; }
    }
}
