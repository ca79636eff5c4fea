using Levee.Testing;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Levee.Orleans.Tests;

/// <summary>The manifests for Kubernetes say what they mean: names that one part gives are names that another has. Whether Kubernetes takes them, only Kubernetes can say.</summary>
public sealed class ManifestTests
{
    private const string Folder = "silo/examples/kubernetes";

    private static IReadOnlyList<YamlNode> Documents { get; } = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, Folder), "*.yaml").Order(StringComparer.Ordinal).SelectMany(Read)];

    private static IEnumerable<YamlNode> StatefulSets => OfKind("StatefulSet");

    [Fact]
    public void EveryDocumentIsOfAKindAndVersionThatKubernetesHas() => Assert.Equal(
        ["apps/v1 StatefulSet", "policy/v1 PodDisruptionBudget", "rbac.authorization.k8s.io/v1 Role", "rbac.authorization.k8s.io/v1 RoleBinding", "v1 Service", "v1 ServiceAccount"],
        Documents.Select(document => $"{document["apiVersion"]} {document["kind"]}").Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void NoTwoOfAKindHaveOneName() => Assert.Distinct(Documents.Select(document => $"{document["kind"]} {document["metadata"]["name"]}"));

    [Fact]
    public void EverySelectorFindsItsPods()
    {
        var selectors = Documents.Where(document => Has(document, "spec") && Has(document["spec"], "selector")).Select(document => document["spec"]["selector"])
            .Select(selector => Labels(Has(selector, "matchLabels") ? selector["matchLabels"] : selector)).ToList();
        Assert.True(selectors.Count >= 5, $"{selectors.Count} selectors");
        var pods = StatefulSets.Select(set => Labels(set["spec"]["template"]["metadata"]["labels"])).ToList();
        Assert.All(selectors, selector => Assert.Single(pods, pod => selector.All(label => pod.GetValueOrDefault(label.Key) == label.Value)));
    }

    [Fact]
    public void EveryNameThatIsReferredToIsThere()
    {
        foreach (var set in StatefulSets)
        {
            Assert.Contains(set["spec"]["serviceName"].ToString(), Names("Service"));
            var pod = set["spec"]["template"]["spec"];
            if (Has(pod, "serviceAccountName"))
            {
                Assert.Contains(pod["serviceAccountName"].ToString(), Names("ServiceAccount"));
            }

            var claims = Items(set["spec"]["volumeClaimTemplates"]).Select(claim => claim["metadata"]["name"].ToString()).ToList();
            foreach (var container in Items(pod["containers"]))
            {
                Assert.All(Items(container["volumeMounts"]), mount => Assert.Contains(mount["name"].ToString(), claims));
            }
        }

        var binding = Assert.Single(OfKind("RoleBinding"));
        Assert.Contains(binding["roleRef"]["name"].ToString(), Names("Role"));
        Assert.All(Items(binding["subjects"]), subject => Assert.Contains(subject["name"].ToString(), Names("ServiceAccount")));
    }

    [Fact]
    public void TheServicesPortsAreTheSilosDefaults()
    {
        var silo = StatefulSets.Single(set => set["metadata"]["name"].ToString() == "levee");
        var container = Assert.Single(Items(silo["spec"]["template"]["spec"]["containers"]));
        var ports = Items(container["ports"]).ToDictionary(port => port["name"].ToString(), port => port["containerPort"].ToString());
        Assert.Equal(new Dictionary<string, string> { ["resp"] = "7379", ["http"] = "7380", ["silo"] = "11111", ["gateway"] = "30000" }, ports);
        var services = OfKind("Service").Where(service => service["spec"]["selector"]["app"].ToString() == "levee").SelectMany(service => Items(service["spec"]["ports"])).ToList();
        Assert.NotEmpty(services);
        Assert.All(services, port => Assert.Equal(ports[port["name"].ToString()], port["port"].ToString()));
        foreach (var probe in (string[])["livenessProbe", "readinessProbe"])
        {
            Assert.Contains(container[probe]["httpGet"]["port"].ToString(), ports.Keys);
        }
    }

    private static IEnumerable<YamlNode> Read(string path)
    {
        var stream = new YamlStream();
        using var text = File.OpenText(path);
        stream.Load(text);
        return stream.Documents.Select(document => document.RootNode);
    }

    private static IEnumerable<YamlNode> OfKind(string kind) => Documents.Where(document => document["kind"].ToString() == kind);

    private static IEnumerable<string> Names(string kind) => OfKind(kind).Select(document => document["metadata"]["name"].ToString());

    private static bool Has(YamlNode node, string key) => node is YamlMappingNode map && map.Children.ContainsKey(key);

    private static YamlSequenceNode Items(YamlNode node) => Assert.IsType<YamlSequenceNode>(node);

    private static Dictionary<string, string> Labels(YamlNode node) => Assert.IsType<YamlMappingNode>(node).ToDictionary(label => label.Key.ToString(), label => label.Value.ToString());
}
